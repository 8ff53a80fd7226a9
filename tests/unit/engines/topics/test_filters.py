"""The filter policy language: what each operator lets pass, and that nothing breaks it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sagebrush.engines.topics import FilterError, Notice
from sagebrush.engines.topics.filters import check, matches

TEXT = st.text("aAbB*\\.é1", max_size=6)
NUMBERS = st.integers(-1000, 1000) | st.floats(-1000, 1000).map(lambda x: round(x, 3))
SCALARS = TEXT | NUMBERS | st.booleans() | st.none()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OPERATORS = (
    *("prefix", "suffix", "anything-but", "equals-ignore-case", "numeric", "cidr", "wildcard"),
    *("exists", "$or", "no-such"),
)
RULES = SCALARS | st.dictionaries(
    st.sampled_from(OPERATORS),
    JSON
    | st.lists(st.sampled_from(["<", "<=", "=", ">", ">="]) | NUMBERS, max_size=4)
    | st.sampled_from(["10.0.0.0/8", "::/0"]),
    min_size=1,
    max_size=2,
)
POLICIES = st.recursive(
    st.lists(RULES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "$or"]), inner, max_size=3),
    max_leaves=6,
)


def in_body(policy: dict[str, Any], body: Any) -> bool:
    """Whether a policy that is valid lets a body pass."""
    check(policy, in_body=True)
    return matches(policy, Notice("id", json.dumps(body), 0.0), in_body=True)


def in_attributes(policy: dict[str, Any], **attributes: tuple[str, str]) -> bool:
    """Whether a policy that is valid lets attributes of (type, value) pass."""
    check(policy, in_body=False)
    kept = {name: {"type": kind, "value": text} for name, (kind, text) in attributes.items()}
    return matches(policy, Notice("id", "", 0.0, attributes=kept), in_body=False)


@given(POLICIES | JSON, JSON)
@example({"a": [{"prefix": {"equals-ignore-case": 1}}]}, {"a": "x"})
@example({"a": [{"anything-but": {"numeric": ["=", 1]}}]}, {"a": 1})
@example({"$or": [{"a": [1]}, {}]}, {"a": 1})
@example({"$or": {"a": [1]}}, {"$or": {"a": 1}})
def test_nothing_breaks_it(policy: Any, body: Any) -> None:
    """What is no policy is refused in its own words; what is one is true or false of anything."""
    for scope in (True, False):
        with contextlib.suppress(FilterError):
            check(policy, in_body=scope)
            notice = Notice(
                "id",
                json.dumps(body),
                0.0,
                attributes={
                    "a": {"type": "String.Array", "value": json.dumps(body)},
                    "b": {"type": "Binary", "value": "AA=="},
                },
            )
            assert matches(policy, notice, in_body=scope) in (True, False)


@given(SCALARS, SCALARS)
def test_values_equal_themselves_only(value: Any, other: Any) -> None:
    assert in_body({"k": [value]}, {"k": value})
    assert not in_body({"k": [value]}, {"other": value})
    different = json.dumps(value) != json.dumps(other) and not (
        isinstance(value, int | float) and isinstance(other, int | float) and value == other
    )
    if different:
        assert not in_body({"k": [value]}, {"k": other})


@given(TEXT, TEXT, TEXT)
def test_texts(text: str, start: str, end: str) -> None:
    body = {"k": text}
    assert in_body({"k": [{"prefix": start}]}, body) is text.startswith(start)
    assert in_body({"k": [{"suffix": end}]}, body) is text.endswith(end)
    assert in_body({"k": [{"equals-ignore-case": start}]}, body) is (text.lower() == start.lower())

    def escaped(part: str) -> str:
        return part.replace("\\", "\\\\").replace("*", "\\*")

    framed = len(text) >= len(start) + len(end) and text.startswith(start) and text.endswith(end)
    assert in_body({"k": [{"wildcard": f"{escaped(start)}*{escaped(end)}"}]}, body) is framed
    assert in_body({"k": [{"wildcard": escaped(start)}]}, body) is (text == start)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_numbers(value: float, low: float, high: float) -> None:
    body = {"k": value}
    assert in_body({"k": [{"numeric": [">=", low]}]}, body) is (value >= low)
    assert in_body({"k": [{"numeric": ["<", high]}]}, body) is (value < high)
    assert in_body({"k": [{"numeric": ["=", low]}]}, body) is (value == low)
    assume(low < high)
    assert in_body({"k": [{"numeric": [">", low, "<=", high]}]}, body) is (low < value <= high)
    assert not in_body({"k": [{"numeric": [">", low, "<=", high]}]}, {"k": str(value)})


@given(st.sampled_from([["a"], ["a", 1], [{"prefix": "a"}], [{"suffix": "b"}]]), SCALARS)
def test_anything_but_is_the_rest(refused: list[Any], value: Any) -> None:
    operand = refused[0] if isinstance(refused[0], dict) else refused
    assert in_body({"k": [{"anything-but": operand}]}, {"k": value}) is not in_body(
        {"k": refused}, {"k": value}
    )
    assert not in_body({"k": [{"anything-but": operand}]}, {})


@given(st.dictionaries(st.sampled_from("ab"), SCALARS), SCALARS, SCALARS)
def test_all_properties_have_to_fit_and_one_alternative(body: Any, one: Any, other: Any) -> None:
    first, second = {"a": [one]}, {"b": [other]}
    assert in_body(first | second, body) is (in_body(first, body) and in_body(second, body))
    assert in_body({"$or": [first, second]}, body) is (
        in_body(first, body) or in_body(second, body)
    )


@given(JSON)
def test_a_property_is_there_or_is_not(value: Any) -> None:
    body = {"k": value}
    if not isinstance(value, dict):
        assert in_body({"k": [{"exists": True}]}, body)
        assert not in_body({"k": [{"exists": False}]}, body)
    assert in_body({"other": [{"exists": False}]}, body)


def test_nested_bodies_and_lists() -> None:
    policy = {"user": {"name": ["anna"], "age": [{"numeric": [">", 17]}]}}
    assert in_body(policy, {"user": {"name": "anna", "age": 18}})
    assert not in_body(policy, {"user": "anna"})
    people = [{"name": "anna", "age": 3}, {"name": "bert", "age": 30}]
    # One object of a list has to fit as a whole.
    assert not in_body(policy, {"user": people})
    assert in_body(policy, {"user": [*people, {"name": "anna", "age": 30}]})
    assert in_body({"tags": ["b"]}, {"tags": ["a", ["b"]]})
    assert not in_body({"tags": ["b"]}, {"tags": {"b": "b"}})


def test_a_body_that_is_no_object_fits_nothing() -> None:
    assert not in_body({"k": [{"exists": False}]}, [1])
    notice = Notice("id", "no JSON", 0.0)
    assert not matches({"k": [{"exists": False}]}, notice, in_body=True)


def test_attributes() -> None:
    assert in_attributes({"k": ["v"]}, k=("String", "v"))
    assert in_attributes({"k": [2]}, k=("Number", "2.0"))
    assert not in_attributes({"k": [2]}, k=("String", "2"))
    assert in_attributes({"k": ["b"]}, k=("String.Array", '["a", "b"]'))
    assert in_attributes({"k": [{"anything-but": ["a"]}]}, k=("String.Array", '["a", "b"]'))
    assert not in_attributes({"k": [{"anything-but": ["a"]}]}, k=("String.Array", '["a"]'))
    assert in_attributes({"k": [True]}, k=("String.Array", "[true]"))
    assert not in_attributes({"k": [{"prefix": ""}]}, k=("Binary", "AA=="))
    assert in_attributes({"k": [{"cidr": "10.0.0.0/24"}]}, k=("String", "10.0.0.255"))
    assert not in_attributes({"k": [{"cidr": "10.0.0.0/24"}]}, k=("String", "10.0.1.1"))
    assert not in_attributes({"k": [{"cidr": "10.0.0.0/24"}]}, k=("String", "x"))


@pytest.mark.parametrize(
    "policy",
    [
        [],
        {"k": []},
        {"k": "v"},
        {"k": [["v"]]},
        {"k": [{}]},
        {"k": [{"prefix": "a", "suffix": "b"}]},
        {"k": [{"no-such": 1}]},
        {"k": [{"exists": "yes"}]},
        {"k": [{"prefix": 1}]},
        {"k": [{"cidr": "10.0.0.0/33"}]},
        {"k": [{"numeric": ["<"]}]},
        {"k": [{"numeric": ["~", 1]}]},
        {"k": [{"numeric": ["<", "1"]}]},
        {"k": [{"numeric": ["<", 1, ">", 0]}]},
        {"k": [{"numeric": [">", 1, "<", 1]}]},
        {"k": [{"anything-but": []}]},
        {"k": [{"anything-but": {"numeric": ["=", 1]}}]},
        {"k": [10**9 + 1]},
        {"$or": [{"k": ["v"]}]},
        {name: ["v"] for name in "abcdef"},
        {"a": list(range(13)), "b": list(range(12))},
    ],
)
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    with pytest.raises(FilterError):
        check(policy, in_body=True)


def test_attributes_are_flat() -> None:
    for policy in ({"k": {"inner": ["v"]}}, {"k": [None]}):
        check(policy, in_body=True)
        with pytest.raises(FilterError):
            check(policy, in_body=False)
