"""The models' Java patterns: meaning of the translations, and how few cannot be translated."""

from __future__ import annotations

import itertools
import re
import warnings

import pytest

from sagebrush.wire import catalogue
from sagebrush.wire.patterns import _LINEAR, matcher

# Not valid in Java either (a quantifier after `$` or after another), or an intersection of classes.
UNTRANSLATABLE = {
    r"^arn:\S+:rbin:[a-z\-0-9]{0,63}:[0-9]{12}:rule/[0-9a-zA-Z]{11}{0,1011}$",
    r"^[-_a-zA-Z0-9]*${2,64}$",
    r"[^-A-Za-z0-9+/=]|=[^=]|={3,}${1,4096}",
    r"[\p{Print}&&[^|:/]]+",
    r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,256}",
    r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}",
}


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[a-z]+", ["abc"], ["abc1", "", "abc\n"]),  # no anchors: the whole value
        ("^[a-z]+$", ["abc"], ["1abc", "abc\n"]),
        ("^[a-z0-9](-*[a-z0-9])*", ["a-b"], ["a_b", "-a"]),  # one anchor means both
        (r"[\p{L}\p{N}_.:/=+\-@]*", ["Straße_1", "漢字", ""], ["a b", "a\u2028"]),
        (r"^\P{C}*$", ["ä b"], ["a\tb", "a\u200e"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["𝄞\t"], ["\n", "\uffff"]),
        (r"[\p{L}||\p{M}||\p{Z}||\p{S}||\p{N}||\p{P}]+", ["a|b §"], ["\t"]),
        (r"[\p{Graph}\x20]*", ["a b~"], ["ä", "\t"]),
        (r"^(?i)(true|false)$", ["TRUE", "false"], ["no"]),
        (r"^[a-zA-Z0-9\s-_]+$", ["a -_b"], ["a+"]),
        (r"(?! )[\p{L}\p{N}\p{Z}-_]*(?<! )", ["a b-c"], [" a", "a "]),
        (r"\p{XDigit}{2}", ["aF"], ["ag"]),
    ],
)
def test_patterns_mean_what_they_mean_in_java(pattern, good, bad):
    matches = matcher(pattern)
    assert [value for value in good if not matches(value)] == []
    assert [value for value in bad if matches(value)] == []


def test_all_other_patterns_of_all_services_can_be_used():
    patterns = {
        shape["pattern"]
        for name in catalogue().services
        for shape in catalogue().load(name).shapes.values()
        if "pattern" in shape
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused = {pattern for pattern in patterns if matcher(pattern) is None}
        for pattern in patterns - refused:
            if r"\p" in pattern or r"\P" in pattern:
                matcher(pattern)("ä")  # the matcher for all of Unicode is made only now
    assert refused <= UNTRANSLATABLE
    assert len(patterns) > 4000


@pytest.mark.parametrize(("slow", "linear"), _LINEAR.items())
def test_replacements_of_slow_patterns_mean_the_same(slow, linear):
    for length in range(6):
        for letters in itertools.product("a-. \t", repeat=length):
            text = "".join(letters)
            assert bool(re.fullmatch(slow, text)) == bool(re.fullmatch(linear, text)), text
    assert not matcher(slow)("a-" * 1000 + "!\n")
