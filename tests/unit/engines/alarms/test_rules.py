"""The grammar of composite alarms' rules."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.engines.alarms.rules import RuleError, parse

STATES = {"a": "ALARM", "b": "OK", "c d": "INSUFFICIENT_DATA", 'q"q': "ALARM", "p(x": "ALARM"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("TRUE", True),
        ("FALSE", False),
        ("not FALSE", True),
        ("ALARM(a)", True),
        ("ALARM(b)", False),
        ("OK(b)", True),
        ("INSUFFICIENT_DATA(c d)", True),
        ('INSUFFICIENT_DATA("c d")', True),
        ('ALARM( "a" )', True),
        (r'ALARM("q\"q")', True),
        ('ALARM("p(x")', True),
        ("ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:a)", True),
        ('ALARM("arn:aws:cloudwatch:us-east-1:1:alarm:c d")', False),
        ("ALARM(gone)", False),
        ("NOT ALARM(gone)", True),
        ("ALARM(a) AND OK(b)", True),
        ("ALARM(a) AND ALARM(b)", False),
        ("ALARM(b) OR ALARM(a)", True),
        ("TRUE OR TRUE AND FALSE", True),
        ("(TRUE OR TRUE) AND FALSE", False),
        ("NOT TRUE OR TRUE", True),
        ("NOT (TRUE OR TRUE)", False),
        ("NOT NOT TRUE", True),
        ("ALARM(a)\nAND\n(OK(b))", True),
        ("(ALARM(b) OR ALARM(a)) AND NOT OK(a)", True),
        ("AT_LEAST(2, ALARM, (a, b, p))", False),
        ('AT_LEAST(2, ALARM, (a, b, "p(x"))', True),
        ('at_least( 2 , not OK , ( a,b , "c d" ) )', True),
        ("AT_LEAST(3, NOT OK, (a, b, c d))", False),
        ("AT_LEAST(1, INSUFFICIENT_DATA, (a, c d))", True),
        ("AT_LEAST(34%, OK, (a, b, c d))", False),
        ("AT_LEAST(33%, OK, (a, b, c d))", True),
        ("AT_LEAST(100%, ALARM, (a, arn:aws:cloudwatch:us-east-1:1:alarm:a))", True),
        ("NOT AT_LEAST(1, ALARM, (b)) AND ALARM(a)", True),
    ],
)
def test_rules(text: str, *, holds: bool) -> None:
    assert parse(text).holds(STATES.get) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ALARM",
        "ALARM()",
        "ALARM(a",
        "ALARM(a) AND",
        "AND ALARM(a)",
        "ALARM(a) ALARM(b)",
        "(ALARM(a)",
        "ALARM(a))",
        "TRUEFALSE",
        "WARN(a)",
        "NOT",
        "()",
        "ALARM(a) XOR ALARM(b)",
        "AT_LEAST(0, ALARM, (a))",
        "AT_LEAST(3, ALARM, (a, b))",
        "AT_LEAST(101%, ALARM, (a, b))",
        "AT_LEAST(1, WARN, (a, b))",
        "AT_LEAST(1, ALARM, ())",
        "AT_LEAST(1, ALARM, (a,,b))",
        "AT_LEAST(1, ALARM, a)",
        "AT_LEAST(1, ALARM, (a)",
        "(" * 200 + "TRUE" + ")" * 200,
        " OR ".join(f"ALARM(a{number})" for number in range(101)),
        " OR ".join(["TRUE"] * 501),
    ],
)
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(RuleError):
        parse(text)


def test_children_are_named_once_in_their_order() -> None:
    rule = parse('ALARM(b) OR OK("a") OR ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:b)')
    assert rule.children == ("b", "a")
    assert parse("AT_LEAST(2, OK, (b, a, c)) OR ALARM(a)").children == ("b", "a", "c")


_RULES = st.recursive(
    st.sampled_from([("TRUE", True), ("FALSE", False), ("ALARM(a)", True), ('OK("a")', False)]),
    lambda inner: st.one_of(
        inner.map(lambda rule: (f"NOT ({rule[0]})", not rule[1])),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) AND ({two[1][0]})", two[0][1] and two[1][1])
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"({two[0][0]}) OR ({two[1][0]})", two[0][1] or two[1][1])
        ),
    ),
    max_leaves=12,
)


@given(_RULES)
def test_rules_mean_what_they_say(rule: tuple[str, bool]) -> None:
    assert parse(rule[0]).holds(STATES.get) is rule[1]


@given(st.text(alphabet='ALRMOKNDT()" \\x', max_size=30))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    with contextlib.suppress(RuleError):
        parse(text).holds(STATES.get)
