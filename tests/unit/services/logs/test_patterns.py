"""Filter patterns: the examples of the user guide's "Filter pattern syntax" and their limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.services.logs.patterns import compile_pattern

EVENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "cluster.name": "c",
        "size": 12.5,
    }
)
LINE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("", "anything", True),
        ('" "', "anything", True),
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "[error] bad", False),
        ("ERROR ARGUMENTS", "[ERROR] INVALID ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR] BAD", False),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
        ("?ERROR ?WARN", "a WARN b", True),
        ("?ERROR ?WARN", "a INFO b", False),
        ("ERROR -EXITING", "ERROR 1", True),
        ("ERROR -EXITING", "ERROR 2 EXITING", False),
        ("-EXITING", "fine", True),
        ("?ERROR INFO", "INFO only", True),
        ("%ERR.R%", "an ERROR", True),
        ("%^ERR%", "an ERROR", False),
        (r'"say \"hi\""', 'they say "hi" there', True),
    ],
)
def test_words(pattern: str, line: str, matches: bool) -> None:
    assert compile_pattern(pattern).matches(line) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ('{ $.missing != "x" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress = %^111% }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[1] = "value" }', False),
        ('{ $.arrayKey[*] = "another value" }', True),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[*].id > 2 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.SomeOtherObject IS NULL }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.['cluster.name'] = c }", True),
        ("{ $.size >= 12.5 && $.size < 1.3e1 }", True),
        ("{ ($.size = 1 || $.ThisFlag IS TRUE) && $.eventType = Up* }", True),
        ("{ $.size = 1 || $.ThisFlag IS TRUE && $.eventType = Down* }", False),
    ],
)
def test_json(pattern: str, matches: bool) -> None:
    assert compile_pattern(pattern).matches(EVENT) is matches
    assert compile_pattern(pattern).matches("no JSON") is False


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code = 404, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code = 4*, bytes > 1000]", True),
        ("[ip, user, username, timestamp, request, status_code != 4*, bytes]", False),
        ("[ip, ..., status_code = 404 || status_code = 410, bytes]", True),
        ("[..., request =*html*, status_code, bytes]", True),
        ("[w1 = 127.0.0.1, ...]", True),
        ("[a, b]", False),
        ("[ip = %127\\.0\\.0\\.[0-9]%, ...]", True),
    ],
)
def test_columns(pattern: str, matches: bool) -> None:
    assert compile_pattern(pattern).matches(LINE) is matches


def test_values() -> None:
    columns = compile_pattern("[ip, ..., status, bytes]")
    assert columns.values(LINE) == {"$ip": "127.0.0.1", "$status": "404", "$bytes": "1534"}
    assert columns.names == {"$ip", "$status", "$bytes"}
    assert compile_pattern("{ $.size > 1 }").values(EVENT) == {"$.size": "12.5"}


@pytest.mark.parametrize(
    "pattern",
    [
        "RequestId:",
        '"unfinished',
        "{ $.a = 1",
        "{ $.a }",
        "{ $.a = }",
        "{ a = 1 }",
        "{ $.a < x }",
        "{ $.a IS MAYBE }",
        "{ ($.a = 1 }",
        "{ $.a[ = 1 }",
        "{ " + "(" * 60 + "$.a = 1" + ")" * 60 + " }",
        "[a, b",
        "[..., a, ...]",
        "[a = 1 && b = 2]",
        "%(a+)+b%",
        "%[%",
    ],
)
def test_broken_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ApiError) as caught:
        compile_pattern(pattern)
    assert caught.value.code == "InvalidParameterException"


@given(text=st.text("{}[]()$.*=!<>&|\"%?- ,ab1'\\", max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        pattern = compile_pattern(text)
    except ApiError as error:
        outcome = error.code
    else:
        assert pattern.matches(EVENT) in (True, False)
        outcome = "compiled"
    assert outcome in ("compiled", "InvalidParameterException")
