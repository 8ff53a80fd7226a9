"""Boolean expressions over named values, shared by the JSON and the column patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sagebrush.base.errors import SagebrushError

_TOKEN = re.compile(
    r'\s*(\|\||&&|!=|<=|>=|=|<|>|\(|\)|"(?:[^"\\]|\\.)*"|%(?:[^%\\]|\\.)+%|[^\s()=<>!&|"]+)'
)
# Parentheses within parentheses; the parser and the test recurse.
_MAX_DEPTH = 50
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_ORDERINGS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

# Gives the values a selector finds in a line (none: it does not exist there).
Lookup = Callable[[str], Sequence[Any]]
Test = Callable[[Lookup], bool]


class PatternSyntaxError(SagebrushError):
    """A filter pattern breaks the syntax."""


def parse_expression(text: str, selectors: list[str]) -> Test:
    """Return the test an expression stands for; the selectors it uses are added to `selectors`.

    Grammar: `or := and ('||' and)*`, `and := unit ('&&' unit)*`, `unit := '(' or ')' | selector
    (comparison | EXISTS | NOT EXISTS | IS NULL | IS TRUE | IS FALSE)`.

    Raises:
        PatternSyntaxError: the text is no such expression.
    """
    parser = _Parser(_tokens(text), selectors)
    test = parser.alternatives()
    if parser.rest:
        raise PatternSyntaxError(f"unexpected {parser.rest[0]!r}")
    return test


def _tokens(text: str) -> list[str]:
    tokens = []
    position = 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PatternSyntaxError(f"unexpected {text[position:]!r}")
        tokens.append(match[1])
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str], selectors: list[str]) -> None:
        self._tokens = tokens
        self._depth = 0
        self._position = 0
        self._selectors = selectors

    @property
    def rest(self) -> list[str]:
        return self._tokens[self._position :]

    @property
    def _next(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self) -> str:
        if self._next is None:
            raise PatternSyntaxError("unexpected end")
        self._position += 1
        return self._tokens[self._position - 1]

    def alternatives(self) -> Test:
        tests = [self._all()]
        while self._next == "||":
            self._take()
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda find: any(test(find) for test in tests)

    def _all(self) -> Test:
        tests = [self._unit()]
        while self._next == "&&":
            self._take()
            tests.append(self._unit())
        return tests[0] if len(tests) == 1 else lambda find: all(test(find) for test in tests)

    def _unit(self) -> Test:
        first = self._take()
        if first == "(":
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise PatternSyntaxError("too many nested parentheses")
            inner = self.alternatives()
            self._depth -= 1
            if self._take() != ")":
                raise PatternSyntaxError("missing )")
            return inner
        if first in ("||", "&&", ")", "=", "!=", *_ORDERINGS):
            raise PatternSyntaxError(f"unexpected {first!r}")
        self._selectors.append(first)
        return self._comparison(first)

    def _comparison(self, selector: str) -> Test:
        operator = self._take().upper()
        if operator == "EXISTS":
            return lambda find: bool(find(selector))
        if operator == "NOT":
            self._expect("EXISTS")
            return lambda find: not find(selector)
        if operator == "IS":
            constant = _constant(self._take().upper())
            return lambda find: any(value is constant for value in find(selector))
        literal = self._take()
        if operator in ("=", "!="):
            equal = _equality(literal)
            wanted = operator == "="
            return lambda find: any(equal(value) == wanted for value in find(selector))
        if operator in _ORDERINGS and _NUMBER.fullmatch(literal):
            compare, bound = _ORDERINGS[operator], float(literal)
            return lambda find: any(
                number is not None and compare(number, bound)
                for number in map(_number, find(selector))
            )
        raise PatternSyntaxError(f"cannot compare {selector} {operator} {literal}")

    def _expect(self, word: str) -> None:
        if self._take().upper() != word:
            raise PatternSyntaxError(f"missing {word}")


def _constant(word: str) -> bool | None:
    if word not in ("NULL", "TRUE", "FALSE"):
        raise PatternSyntaxError(f"IS {word}")
    return {"NULL": None, "TRUE": True, "FALSE": False}[word]


def _equality(literal: str) -> Callable[[Any], bool]:
    if literal[0] == "%":
        expression = regular_expression(literal)
        return lambda value: expression.search(as_text(value)) is not None
    if _NUMBER.fullmatch(literal):
        wanted = float(literal)
        return lambda value: _number(value) == wanted
    if literal[0] == '"':
        literal = re.sub(r"\\(.)", r"\1", literal[1:-1])
    first, *rest = map(re.escape, literal.split("*"))
    # Atomic groups: a value of many `*` must not take exponential time.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    glob = re.compile(first + middle + (f".*{rest[-1]}" if rest else ""), re.DOTALL)
    return lambda value: glob.fullmatch(as_text(value)) is not None


def regular_expression(token: str) -> re.Pattern[str]:
    """Return the expression of a `%...%` token.

    As at AWS there are no groups, so that no expression can take exponential time.

    Raises:
        PatternSyntaxError: it is no such expression.
    """
    text = token[1:-1]
    if re.search(r"(?<!\\)(?:\\\\)*[()]", text):
        raise PatternSyntaxError(f"regular expression {token}: groups are not supported")
    try:
        return re.compile(text)
    except re.error as error:
        raise PatternSyntaxError(f"regular expression {token}: {error}") from None


def as_text(value: Any) -> str:
    """Return a JSON scalar as patterns compare it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return None
