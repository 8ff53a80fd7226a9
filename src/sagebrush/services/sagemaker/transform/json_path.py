"""The JSONPath subset of DataProcessing: `$`, names, indexes, one slice, `*`.

As the guide page "Associate Prediction Results with Input Records" documents it: both ends of a
slice belong to it, and an index outside of the data is an error. What several elements match comes
as a list; several names at the end of a path come as an object of those names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
      \.\s*(?P<name>[A-Za-z0-9_-]+) | \.\s*(?P<dot_star>\*) | \.?\s*\[(?P<bracket>[^\]]*)\]
    )\s*""",
    re.VERBOSE,
)
_NAMES = re.compile(r"\s*'[^']*'\s*(?:,\s*'[^']*'\s*)*")
_NAME = re.compile(r"'([^']*)'")
_NUMBERS = re.compile(r"\s*-?\d+\s*(?:,\s*-?\d+\s*)*")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")


class PathSyntaxError(ValueError):
    """The text is no path of the subset."""


class PathMismatchError(ValueError):
    """The data have no such element."""


@dataclass(frozen=True)
class _Names:
    names: tuple[str, ...]

    def __call__(self, value: Any, *, last: bool) -> Iterator[Any]:
        if not isinstance(value, dict):
            raise PathMismatchError(f"{self.names[0]!r} is asked of what is no JSON object")
        for name in self.names:
            if name not in value:
                raise PathMismatchError(f"there is no attribute {name!r}")
        if last and len(self.names) > 1:
            yield {name: value[name] for name in self.names}
        else:
            yield from (value[name] for name in self.names)


@dataclass(frozen=True)
class _Indexes:
    indexes: tuple[int, ...]

    def __call__(self, value: Any, *, last: bool) -> Iterator[Any]:
        del last
        array = _array(value)
        for index in self.indexes:
            if not -len(array) <= index < len(array):
                raise PathMismatchError(
                    f"the index {index} is outside of the {len(array)} elements"
                )
            yield array[index]


@dataclass(frozen=True)
class _Slice:
    start: int | None
    end: int | None

    def __call__(self, value: Any, *, last: bool) -> Iterator[Any]:
        del last
        # -1 is the last element, so what ends behind it has no end.
        behind = None if self.end is None or self.end == -1 else self.end + 1
        yield from _array(value)[self.start : behind]


@dataclass(frozen=True)
class _All:
    def __call__(self, value: Any, *, last: bool) -> Iterator[Any]:
        del last
        if isinstance(value, dict):
            yield from value.values()
        else:
            yield from _array(value)


_Step = _Names | _Indexes | _Slice | _All


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise PathMismatchError("an element is asked of what is no JSON array")
    return value


@dataclass(frozen=True)
class JsonPath:
    """A parsed path."""

    text: str
    steps: tuple[_Step, ...]

    @property
    def is_root(self) -> bool:
        """Whether the path is `$`, everything."""
        return not self.steps

    @property
    def has_names(self) -> bool:
        """Whether the path asks for attributes by name, which rows of CSV do not have."""
        return any(isinstance(step, _Names) for step in self.steps)

    @property
    def is_single(self) -> bool:
        """Whether the path stands for one element rather than a list of them."""
        *inner, last = self.steps or (None,)
        return all(_width(step) == 1 for step in inner) and (
            last is None or isinstance(last, _Names) or _width(last) == 1
        )

    def select(self, value: Any) -> Any:
        """Return what the path stands for in a JSON value.

        Raises:
            PathMismatchError: the value has no such element.
        """
        found = [value]
        for number, step in enumerate(self.steps, 1):
            last = number == len(self.steps)
            found = [match for each in found for match in step(each, last=last)]
        return found[0] if self.is_single else found


def _width(step: _Step | None) -> int:
    """Return 1 for a step that one element matches at most, else another number."""
    if isinstance(step, _Names):
        return len(step.names)
    return len(step.indexes) if isinstance(step, _Indexes) else 0


def parse_path(text: str) -> JsonPath:
    """Return the path that `text` is.

    Raises:
        PathSyntaxError: it is none of the subset; the message says what is wrong.
    """
    stripped = text.strip()
    if not stripped.startswith("$"):
        raise PathSyntaxError('A JsonPath starts with "$".')
    steps: list[_Step] = []
    position = 1
    while position < len(stripped):
        matched = _TOKEN.match(stripped, position)
        if matched is None:
            raise PathSyntaxError(f'Unexpected "{stripped[position]}" in JsonPath.')
        steps.append(_step(matched))
        position = matched.end()
    return JsonPath(text, tuple(steps))


def _step(matched: re.Match[str]) -> _Step:
    if matched["name"] is not None:
        return _Names((matched["name"],))
    content = matched["bracket"]
    if matched["dot_star"] or content.strip() == "*":
        return _All()
    if _NAMES.fullmatch(content):
        return _Names(tuple(_NAME.findall(content)))
    if _NUMBERS.fullmatch(content):
        return _Indexes(tuple(int(part) for part in content.split(",")))
    sliced = _SLICE.fullmatch(content)
    if sliced is not None:
        start, end = sliced.groups()
        return _Slice(int(start) if start else None, int(end) if end else None)
    if ":" in content:
        raise PathSyntaxError(
            "only single range filters of format (eg: [1:5]) are supported. Format"
            f" [{content}] is not supported."
        )
    raise PathSyntaxError(f"[{content}] holds neither names nor indexes.")
