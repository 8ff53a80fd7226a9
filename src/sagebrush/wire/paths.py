"""Matches the paths of a REST service's requests to its operations.

Templates such as `/{Bucket}/{Key+}?uploads` are put into a tree by segment. Where several
operations share method and path, the query literals of the template decide, then required query
parameters and headers (an UploadPart is a PutObject with `partNumber` and `uploadId`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from sagebrush.wire.model import Operation, ServiceModel
from sagebrush.wire.querystring import parse_query

_LABEL = re.compile(r"\{([^{}+]+)(\+?)\}")


class PathError(ValueError):
    """A label is no UTF-8 text."""


@dataclass(slots=True)
class _Terminal:
    operation: Operation
    labels: list[str]
    literals: dict[str, str | None]
    parameters: frozenset[str]
    headers: frozenset[str]

    def rank(self, query: dict[str, list[str]], headers: dict[str, str]) -> tuple[int, ...] | None:
        """Return how well the request fits (more is better), or None when it cannot be this one."""
        for name, value in self.literals.items():
            if name not in query or (value is not None and value not in query[name]):
                return None
        is_complete = self.parameters <= query.keys() and self.headers <= headers.keys()
        required = len(self.parameters) + len(self.headers)
        return len(self.literals), is_complete, required, not self.operation.deprecated


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], _Node]] = field(default_factory=list)
    label: _Node | None = None
    greedy: _Node | None = None
    ends: dict[str, list[_Terminal]] = field(default_factory=dict)  # by HTTP method


class PathMatcher:
    """All path templates of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._root = _Node()
        for name in sorted(model.operations):
            self._add(model.operations[name])

    @classmethod
    def of(cls, model: ServiceModel) -> PathMatcher:
        """Return the matcher of this service, made once."""
        matcher: PathMatcher | None = model.compiled.get("paths")
        if matcher is None:
            matcher = model.compiled["paths"] = cls(model)
        return matcher

    def _add(self, operation: Operation) -> None:
        path, _, query = operation.request_uri.partition("?")
        node = self._root
        labels: list[str] = []
        for segment in _segments(path):
            node = _child(node, segment, labels)
        terminal = _Terminal(operation, labels, _literals(query), *_required(operation))
        node.ends.setdefault(operation.http_method, []).append(terminal)

    def decides(self, method: str, path: str) -> bool:
        """Whether method and path alone tell the operation: no query or header has a say."""
        found = _walk(self._root, path.split("/")[1:], 0, method, ())
        return found is not None and len(found[0]) == 1 and not found[0][0].literals

    def match(
        self, method: str, path: str, query: str, headers: dict[str, str]
    ) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation and its decoded labels, or None; raises `PathError`."""
        segments = path.split("/")[1:]
        found = _walk(self._root, segments, 0, method, ())
        if found is None:
            return None
        terminals, values = found
        terminal = _choose(terminals, query, headers)
        if terminal is None:
            return None
        labels = dict(zip(terminal.labels, map(_decode, values), strict=True))
        return terminal.operation, labels


def _segments(path: str) -> list[str]:
    segments = path.split("/")[1:]
    return segments[:-1] if segments and not segments[-1] else segments


def _child(node: _Node, segment: str, labels: list[str]) -> _Node:
    """Return the node below for a template's segment and note its labels."""
    whole = _LABEL.fullmatch(segment)
    if whole is not None:
        labels.append(whole[1])
        if whole[2]:
            node.greedy = node.greedy or _Node()
            return node.greedy
        node.label = node.label or _Node()
        return node.label
    if "{" not in segment:
        return node.literals.setdefault(segment, _Node())
    labels.extend(match[1] for match in _LABEL.finditer(segment))
    expression = re.compile(
        "".join(
            "(.+?)" if index % 3 == 1 else "" if index % 3 == 2 else re.escape(part)
            for index, part in enumerate(_LABEL.split(segment))
        )
    )
    for known, child in node.patterns:
        if known.pattern == expression.pattern:
            return child
    child = _Node()
    node.patterns.append((expression, child))
    return child


def _literals(query: str) -> dict[str, str | None]:
    """Return the query parameters a template demands; without `=` any value will do."""
    literals: dict[str, str | None] = {}
    for pair in query.split("&"):
        if pair:
            name, equals, value = pair.partition("=")
            literals[name] = value if equals and value else None
    return literals


def _required(operation: Operation) -> tuple[frozenset[str], frozenset[str]]:
    if operation.input is None:
        return frozenset(), frozenset()
    found: dict[str, set[str]] = {"querystring": set(), "header": set()}
    members = operation.input.members
    for name in operation.input.required:
        location = members[name].traits.get("location")
        if location in found:
            found[location].add(members[name].location_name or name)
    return (
        frozenset(found["querystring"]),
        frozenset(name.lower() for name in found["header"]),
    )


def _walk(
    node: _Node, segments: list[str], index: int, method: str, values: tuple[str, ...]
) -> tuple[list[_Terminal], tuple[str, ...]] | None:
    """Return the ends of the best branch that knows the method, with the label texts."""
    left = len(segments) - index
    if (left == 0 or (left == 1 and not segments[index])) and method in node.ends:
        return node.ends[method], values
    if left == 0:
        return None
    segment = segments[index]
    child = node.literals.get(segment)
    if child is not None:
        found = _walk(child, segments, index + 1, method, values)
        if found is not None:
            return found
    for expression, child in node.patterns:
        match = expression.fullmatch(segment)
        if match is not None:
            found = _walk(child, segments, index + 1, method, values + match.groups())
            if found is not None:
                return found
    if node.label is not None and segment:
        found = _walk(node.label, segments, index + 1, method, (*values, segment))
        if found is not None:
            return found
    return _walk_greedy(node, segments, index, method, values)


def _walk_greedy(
    node: _Node, segments: list[str], index: int, method: str, values: tuple[str, ...]
) -> tuple[list[_Terminal], tuple[str, ...]] | None:
    """A greedy label takes as much as leaves a match for what follows it, else everything."""
    if node.greedy is None or segments[index:] == [""]:
        return None
    last = len(segments)
    has_more = bool(node.greedy.literals or node.greedy.label)
    for end in (*range(last - 1, index, -1), last) if has_more else (last,):
        text = "/".join(segments[index:end])
        found = _walk(node.greedy, segments, end, method, (*values, text))
        if found is not None:
            return found
    return None


def _choose(terminals: list[_Terminal], query: str, headers: dict[str, str]) -> _Terminal | None:
    if len(terminals) == 1 and not terminals[0].literals:
        return terminals[0]
    parameters = parse_query(query) if query else {}
    best: _Terminal | None = None
    best_rank: tuple[int, ...] | None = None
    for terminal in terminals:
        rank = terminal.rank(parameters, headers)
        if rank is not None and (best_rank is None or rank > best_rank):
            best, best_rank = terminal, rank
    return best


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise PathError(str(error)) from None
