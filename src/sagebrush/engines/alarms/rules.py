"""The rules of composite alarms: `ALARM(a) AND NOT (OK("b c") OR INSUFFICIENT_DATA(arn:...))`.

Grammar: PutCompositeAlarm, AlarmRule. NOT binds more strongly than AND, AND more than OR.
`AT_LEAST(2, NOT OK, (a, b, c))` and `AT_LEAST(60%, ALARM, (a, b, c))` count alarms in a state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.alarms.records import alarm_name

MAX_CHILDREN = 100
MAX_ELEMENTS = 500
_MAX_DEPTH = 100

_TOKEN = re.compile(
    r"""\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^")]+?))\s*\)"""
    r"""|AT_LEAST\s*\(\s*(?P<least>\d{1,9})(?P<percent>%)?\s*,"""
    r"""\s*(?P<negation>NOT\s+)?(?P<counted>ALARM|OK|INSUFFICIENT_DATA)\s*,"""
    r"""\s*\((?P<names>(?:[^"()]|"(?:[^"\\]|\\.)*")+)\)\s*\)"""
    r"""|(?P<word>AND|OR|NOT|TRUE|FALSE)(?![A-Za-z0-9_])|(?P<bracket>[()]))\s*""",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"""\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^",\s](?:[^",]*[^",\s])?))\s*(?:,|$)"""
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


class _Token(NamedTuple):
    """A word or bracket, or a whole condition: its node and the alarms it stands on."""

    kind: str
    node: Node | None = None
    names: tuple[str, ...] = ()


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise RuleError(f"unexpected text at position {position}: {text[position:][:40]!r}")
        position = match.end()
        if match["state"]:
            name = _name(match)
            yield _Token("ALARM", _in_state(match["state"].upper(), name), (name,))
        elif match["least"]:
            yield _counting(match)
        else:
            yield _Token((match["word"] or match["bracket"]).upper())


def _name(match: re.Match[str]) -> str:
    quoted = match["quoted"]
    return alarm_name(match["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))


def _counting(match: re.Match[str]) -> _Token:
    """Return an AT_LEAST condition."""
    names, position = [], 0
    while position < len(match["names"]):
        listed = _LISTED.match(match["names"], position)
        if listed is None:
            raise RuleError(f"unexpected text in AT_LEAST: {match['names'][position:][:40]!r}")
        position = listed.end()
        names.append(_name(listed))
    number, most = int(match["least"]), 100 if match["percent"] else len(names)
    if not 1 <= number <= most:
        raise RuleError(f"the threshold of AT_LEAST must be between 1 and {most}, not {number}")
    least = math.ceil(number * len(names) / 100) if match["percent"] else number
    state, wanted = match["counted"].upper(), match["negation"] is None
    return _Token("AT_LEAST", _at_least(least, state, tuple(names), wanted=wanted), tuple(names))


class _Parser:
    def __init__(self, text: str) -> None:
        self.children: list[str] = []
        self._tokens = list(_tokens(text))
        elements = sum(
            max(1, len(token.names))
            for token in self._tokens
            if token.kind not in ("AND", "OR", "NOT")
        )
        if elements > MAX_ELEMENTS:
            raise RuleError(f"more than {MAX_ELEMENTS} elements")
        self._next = 0
        self._depth = 0

    def rule(self) -> Node:
        node = self._either()
        if self._next < len(self._tokens):
            raise RuleError(f"unexpected {self._tokens[self._next].kind}")
        return node

    def _peek(self) -> str:
        return self._tokens[self._next].kind if self._next < len(self._tokens) else ""

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
        token = self._tokens[self._next]
        self._next += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise RuleError("the rule is nested too deeply")
        node = self._operand(token)
        self._depth -= 1
        return node

    def _operand(self, token: _Token) -> Node:
        kind = token.kind
        if token.node is not None:
            self.children.extend(token.names)
            return token.node
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


def _at_least(least: int, state: str, names: tuple[str, ...], *, wanted: bool) -> Node:
    return lambda state_of: sum((state_of(name) == state) is wanted for name in names) >= least


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
