"""Patterns on space-delimited events: `[ip, user, ..., status = 4*, bytes > 1000]`.

A column is a word, or what stands between double quotes or square brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sagebrush.services.logs.expressions import PatternSyntaxError, Test, parse_expression

_COLUMN = re.compile(r'"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+)')
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|%(?:[^%\\]|\\.)+%|[^,"])+')
_NAME = re.compile(r"\$?[\w-]+")
_ELLIPSIS = "..."


def column_pattern(
    text: str,
) -> tuple[Callable[[str], bool], Callable[[str], dict[str, str]], list[str]]:
    """Return the match test, the value reader and the names of a pattern in square brackets.

    Raises:
        PatternSyntaxError: the pattern breaks the syntax.
    """
    if not text.endswith("]"):
        raise PatternSyntaxError("missing ]")
    names: list[str] = []
    tests: list[Test] = []
    for number, part in enumerate(_PART.findall(text[1:-1]), start=1):
        name, test = _column(part.strip(), number)
        names.append(name)
        if test is not None:
            tests.append(test)
    if names.count(_ELLIPSIS) > 1:
        raise PatternSyntaxError("more than one ...")

    def columns(line: str) -> dict[str, str] | None:
        return _assign(names, [a or b or c for a, b, c in _COLUMN.findall(line)])

    def matches(line: str) -> bool:
        values = columns(line)
        if values is None:
            return False

        def lookup(name: str) -> Sequence[str]:
            return (values[name],) if name in values else ()

        return all(test(lookup) for test in tests)

    def values_of(line: str) -> dict[str, str]:
        return {f"${name}": value for name, value in (columns(line) or {}).items()}

    return matches, values_of, [f"${name}" for name in names if name != _ELLIPSIS]


def _column(part: str, number: int) -> tuple[str, Test | None]:
    if part == _ELLIPSIS:
        return part, None
    if not part:
        return str(number), None
    if _NAME.fullmatch(part):
        return part.lstrip("$"), None
    selectors: list[str] = []
    test = parse_expression(part, selectors)
    if len(set(selectors)) != 1 or not _NAME.fullmatch(selectors[0]):
        raise PatternSyntaxError(f"column {part!r} does not have one name")
    return selectors[0], test


def _assign(names: list[str], columns: list[str]) -> dict[str, str] | None:
    """Return columns by name, None when their number does not fit."""
    if _ELLIPSIS not in names:
        return dict(zip(names, columns, strict=True)) if len(names) == len(columns) else None
    before = names.index(_ELLIPSIS)
    after = len(names) - before - 1
    if len(columns) < before + after:
        return None
    tail = columns[len(columns) - after :]
    return dict(zip(names[:before], columns, strict=False)) | dict(
        zip(names[before + 1 :], tail, strict=True)
    )
