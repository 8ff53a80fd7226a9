"""Patterns on JSON events: `{ $.user.id = 1 && $.type = "Error*" }`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from sagebrush.services.logs.expressions import PatternSyntaxError, as_text, parse_expression

_STEP = re.compile(r"""\.([\w@:/+-]+)|\[(\d+|\*)\]|\.?\[(?:"([^"]+)"|'([^']+)')\]""")
Step = str | int | None  # None stands for every element


def json_pattern(
    text: str,
) -> tuple[Callable[[str], bool], Callable[[str], dict[str, str]]]:
    """Return the match test and the value reader of a pattern in braces.

    Raises:
        PatternSyntaxError: the pattern breaks the syntax.
    """
    if not text.endswith("}"):
        raise PatternSyntaxError("missing }")
    selectors: list[str] = []
    test = parse_expression(text[1:-1], selectors)
    paths = {selector: parse_path(selector) for selector in selectors}

    def matches(line: str) -> bool:
        document = _document(line)
        if document is None:
            return False
        return test(lambda selector: _find(document, paths[selector]))

    def values(line: str) -> dict[str, str]:
        document = _document(line)
        found = {selector: _find(document, path) for selector, path in paths.items()}
        return {selector: as_text(v[0]) for selector, v in found.items() if v}

    return matches, values


def json_values(line: str, selector: str) -> list[Any]:
    """Return what a `$.path` finds in a JSON line."""
    document = _document(line)
    return [] if document is None else _find(document, parse_path(selector))


def parse_path(selector: str) -> list[Step]:
    """Return the steps of a `$.a[0].b` path.

    Raises:
        PatternSyntaxError: the text is no such path.
    """
    if not selector.startswith("$"):
        raise PatternSyntaxError(f"property selector {selector} does not begin with $")
    steps: list[Step] = []
    position = 1
    while position < len(selector):
        match = _STEP.match(selector, position)
        if match is None:
            raise PatternSyntaxError(f"property selector {selector}")
        if match[2] is not None:
            steps.append(None if match[2] == "*" else int(match[2]))
        else:
            steps.append(match[1] or match[3] or match[4])
        position = match.end()
    return steps


def _document(line: str) -> dict[str, Any] | list[Any] | None:
    if not line.lstrip().startswith(("{", "[")):
        return None
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict | list) else None


def _find(document: Any, steps: list[Step]) -> list[Any]:
    found = [document]
    for step in steps:
        following: list[Any] = []
        for value in found:
            if isinstance(step, str):
                if isinstance(value, dict) and step in value:
                    following.append(value[step])
            elif isinstance(value, list):
                following += value if step is None else value[step : step + 1]
        found = following
    return found
