"""Filter patterns: words, JSON conditions, or conditions on the columns of a line.

Syntax: CloudWatch Logs User Guide, "Filter pattern syntax".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sagebrush.base.errors import ApiError
from sagebrush.services.logs.column_patterns import column_pattern
from sagebrush.services.logs.expressions import PatternSyntaxError, regular_expression
from sagebrush.services.logs.json_patterns import json_pattern

_WORD = re.compile(r'\s*([?-]?)("(?:[^"\\]|\\.)*"|%(?:[^%\\]|\\.)+%|[^\s"]+)')
_PLAIN = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class FilterPattern:
    """A compiled pattern: whether a line matches, and the values it names in a matching line.

    `names` are the columns (`$name`) of a pattern on columns.
    """

    matches: Callable[[str], bool]
    values: Callable[[str], dict[str, str]]
    names: frozenset[str] = frozenset()


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> FilterPattern:
    """Return a filter pattern.

    Raises:
        ApiError: InvalidParameterException, when the pattern breaks the syntax.
    """
    stripped = text.strip()
    try:
        if stripped.startswith("{"):
            return FilterPattern(*json_pattern(stripped))
        if stripped.startswith("["):
            matches, values, names = column_pattern(stripped)
            return FilterPattern(matches, values, frozenset(names))
        return FilterPattern(_words(text), _no_values)
    except PatternSyntaxError as error:
        raise ApiError("InvalidParameterException", f"Invalid filter pattern: {error}") from None


def _no_values(line: str) -> dict[str, str]:
    del line
    return {}


def _always(line: str) -> bool:
    del line
    return True


def _words(text: str) -> Callable[[str], bool]:
    required: list[Callable[[str], bool]] = []
    excluded: list[Callable[[str], bool]] = []
    optional: list[Callable[[str], bool]] = []
    position = 0
    text = text.strip()
    if text in ("", '""', '" "'):
        return _always
    while position < len(text):
        match = _WORD.match(text, position)
        if match is None:
            raise PatternSyntaxError(f"unfinished term at {text[position:]!r}")
        position = match.end()
        {"": required, "-": excluded, "?": optional}[match[1]].append(_word(match[2]))
    # Optional terms count only where nothing is required or excluded.
    if required or excluded:
        return lambda line: (
            all(test(line) for test in required) and not any(test(line) for test in excluded)
        )
    return lambda line: any(test(line) for test in optional)


def _word(token: str) -> Callable[[str], bool]:
    if token[0] == "%":
        expression = regular_expression(token)
        return lambda line: expression.search(line) is not None
    if token[0] == '"':
        wanted = re.sub(r"\\(.)", r"\1", token[1:-1])
    elif _PLAIN.fullmatch(token):
        wanted = token
    else:
        raise PatternSyntaxError(f"Invalid character(s) in term '{token}'")
    return lambda line: wanted in line
