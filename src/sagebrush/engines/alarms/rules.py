"""The rules of composite alarms: `ALARM(a) AND NOT (OK("b c") OR INSUFFICIENT_DATA(arn:...))`.

Grammar: PutCompositeAlarm, AlarmRule. NOT binds more strongly than AND, AND more than OR.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.alarms.records import alarm_name

MAX_CHILDREN = 100
MAX_ELEMENTS = 500
_MAX_DEPTH = 100

_TOKEN = re.compile(
    r"""\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^")]+?))\s*\)"""
    r"""|(?P<word>AND|OR|NOT|TRUE|FALSE)(?![A-Za-z0-9_])|(?P<bracket>[()]))\s*""",
    re.IGNORECASE,
)

StateOf = Callable[[str], str | None]
Node = Callable[[StateOf], bool]


class RuleError(SagebrushError):
    """A rule cannot be parsed; the message says where."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule and the names of the alarms it stands on, in their order."""

    holds: Node
    children: tuple[str, ...]


@lru_cache(maxsize=256)
def parse(text: str) -> Rule:
    """Return a parsed rule.

    Raises:
        RuleError: the text is no rule, or has too many elements or children.
    """
    parser = _Parser(text)
    node = parser.rule()
    children = tuple(dict.fromkeys(parser.children))
    if len(children) > MAX_CHILDREN:
        raise RuleError(f"more than {MAX_CHILDREN} alarms")
    return Rule(node, children)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise RuleError(f"unexpected text at position {position}: {text[position:][:40]!r}")
        position = match.end()
        if match["state"]:
            quoted = match["quoted"]
            name = match["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            yield match["state"].upper(), alarm_name(name)
        else:
            yield (match["word"] or match["bracket"]).upper(), ""


class _Parser:
    def __init__(self, text: str) -> None:
        self.children: list[str] = []
        self._tokens = list(_tokens(text))
        if sum(kind not in ("AND", "OR", "NOT") for kind, _ in self._tokens) > MAX_ELEMENTS:
            raise RuleError(f"more than {MAX_ELEMENTS} elements")
        self._next = 0
        self._depth = 0

    def rule(self) -> Node:
        node = self._either()
        if self._next < len(self._tokens):
            raise RuleError(f"unexpected {self._tokens[self._next][0]}")
        return node

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _either(self) -> Node:
        node = self._both()
        while self._peek() == "OR":
            self._next += 1
            node = _or(node, self._both())
        return node

    def _both(self) -> Node:
        node = self._single()
        while self._peek() == "AND":
            self._next += 1
            node = _and(node, self._single())
        return node

    def _single(self) -> Node:
        kind = self._peek()
        if not kind:
            raise RuleError("the rule ends where an operand is expected")
        _, name = self._tokens[self._next]
        self._next += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise RuleError("the rule is nested too deeply")
        node = self._operand(kind, name)
        self._depth -= 1
        return node

    def _operand(self, kind: str, name: str) -> Node:
        if name:
            self.children.append(name)
            return _in_state(kind, name)
        if kind in ("TRUE", "FALSE"):
            return _constant(value=kind == "TRUE")
        if kind == "NOT":
            return _not(self._single())
        if kind != "(":
            raise RuleError(f"unexpected {kind}")
        node = self._either()
        if self._peek() != ")":
            raise RuleError("a closing parenthesis is missing")
        self._next += 1
        return node


def _in_state(state: str, name: str) -> Node:
    return lambda state_of: state_of(name) == state


def _constant(*, value: bool) -> Node:
    def node(state_of: StateOf) -> bool:
        del state_of
        return value

    return node


def _not(node: Node) -> Node:
    return lambda state_of: not node(state_of)


def _and(left: Node, right: Node) -> Node:
    return lambda state_of: left(state_of) and right(state_of)


def _or(left: Node, right: Node) -> Node:
    return lambda state_of: left(state_of) or right(state_of)
