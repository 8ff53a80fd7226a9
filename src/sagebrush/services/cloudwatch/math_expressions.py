"""Metric mathematics: parsing and evaluating expressions over time series.

Grammar and meaning: CloudWatch User Guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sagebrush.services.cloudwatch.math_functions import FUNCTIONS
from sagebrush.services.cloudwatch.math_values import (
    ExpressionError,
    Scope,
    Timeline,
    Value,
    apply_operator,
)

_TOKEN = re.compile(
    r"""\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[A-Za-z_][A-Za-z0-9_]*|"[^"]*"|'[^']*'"""
    r"""|==|!=|<=|>=|&&|\|\||[-+*/^()\[\],<>])"""
)
# Binary operators by how strongly they bind.
_BINDING = {
    "||": 1,
    "OR": 1,
    "&&": 2,
    "AND": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "^": 7,
}
_NEGATION = 6
# Evaluation recurses once per operator.
_MAX_DEPTH = 50
_MAX_TOKENS = 500


class Evaluation:
    """Evaluates the queries of one request, each once."""

    def __init__(self, evaluate: Callable[[str], list[Timeline]]) -> None:
        self._evaluate = evaluate
        self._values: dict[str, list[Timeline]] = {}
        self._open: set[str] = set()

    def timelines(self, query_id: str) -> list[Timeline]:
        """Return the series of a query.

        Raises:
            ExpressionError: an expression is wrong or refers to itself.
        """
        if query_id in self._open:
            raise ExpressionError(f"{query_id} refers to itself")
        if query_id not in self._values:
            self._open.add(query_id)
            self._values[query_id] = self._evaluate(query_id)
            self._open.discard(query_id)
        return self._values[query_id]

    def expression(
        self, text: str, period_s: int, grid: range, metric_ids: Sequence[str]
    ) -> list[Timeline]:
        """Return the series an expression evaluates to.

        Raises:
            ExpressionError: the expression is wrong, or no series.
        """
        value = _Parser(text).parse()(Scope(period_s, grid, metric_ids, self.timelines))
        if isinstance(value, Timeline):
            return [value]
        if isinstance(value, list):
            return value
        raise ExpressionError("the expression must return a time series or an array of them")


def check_syntax(text: str) -> None:
    """Refuse an expression that cannot be parsed or calls a function there is not.

    Raises:
        ExpressionError: what is wrong with it.
    """
    _Parser(text).parse()


def references(text: str, ids: Sequence[str]) -> list[str]:
    """Return which of `ids` an expression names; `METRICS()` names all."""
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
    return [name for name in ids if name in words or "METRICS" in words]


Node = Callable[[Scope], Value]


class _Parser:
    """Precedence climbing over the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._depth = 0
        position = 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ExpressionError(f"unexpected {text[position:]!r}")
            self._tokens.append(match[1])
            position = match.end()
        if len(self._tokens) > _MAX_TOKENS:
            raise ExpressionError("the expression is too long")

    def parse(self) -> Node:
        node = self._expression(1)
        if self._tokens:
            raise ExpressionError(f"unexpected {self._tokens[0]!r}")
        return node

    def _take(self, wanted: str | None = None) -> str:
        if not self._tokens or wanted not in (None, self._tokens[0]):
            raise ExpressionError(f"missing {wanted or 'operand'}")
        return self._tokens.pop(0)

    def _expression(self, binding: int) -> Node:
        left = self._operand()
        while self._tokens and _BINDING.get(self._tokens[0], 0) >= binding:
            operator = self._take()
            right = self._expression(_BINDING[operator] + 1)
            left = _binary(operator, left, right)
        return left

    def _operand(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        operand = self._nested()
        self._depth -= 1
        return operand

    def _nested(self) -> Node:
        first = self._take()
        if first == "-":
            operand = self._expression(_NEGATION)
            return _binary("*", _constant(-1.0), operand)
        if first == "(":
            inner = self._expression(1)
            self._take(")")
            return inner
        if first == "[":
            return _array(self._arguments("]"))
        if first[0] in "\"'":
            return _constant(first[1:-1])
        if first[0].isdigit() or first[0] == ".":
            return _constant(float(first))
        if self._tokens and self._tokens[0] == "(":
            self._take()
            return _call(first, self._arguments(")"))
        if not (first[0].isalpha() or first[0] == "_"):
            raise ExpressionError(f"unexpected {first!r}")
        return _name(first)

    def _arguments(self, end: str) -> list[Node]:
        arguments: list[Node] = []
        while self._tokens and self._tokens[0] != end:
            if arguments:
                self._take(",")
            arguments.append(self._expression(1))
        self._take(end)
        return arguments


def _constant(value: float | str) -> Node:
    def node(scope: Scope) -> Value:
        del scope
        return value

    return node


def _binary(operator: str, left: Node, right: Node) -> Node:
    return lambda scope: apply_operator(operator, left(scope), right(scope))


def _array(items: list[Node]) -> Node:
    def node(scope: Scope) -> Value:
        timelines: list[Timeline] = []
        for item in items:
            value = item(scope)
            if isinstance(value, Timeline):
                timelines.append(value)
            elif isinstance(value, list):
                timelines += value
            elif isinstance(value, float):
                timelines.append(scope.constant(value))
            else:
                raise ExpressionError("an array holds time series only")
        return timelines

    return node


def _call(name: str, arguments: list[Node]) -> Node:
    function = FUNCTIONS.get(name.upper())
    if function is None:
        raise ExpressionError(f"Sagebrush does not support the function {name}")
    return lambda scope: function(scope, [argument(scope) for argument in arguments])


def _name(name: str) -> Node:
    # Ids begin with a lower-case letter; the functions' key words are in capitals.
    if name[0].isupper():
        return _constant(name)

    def node(scope: Scope) -> Value:
        timelines = scope.resolve(name)
        return timelines[0] if len(timelines) == 1 else timelines

    return node
