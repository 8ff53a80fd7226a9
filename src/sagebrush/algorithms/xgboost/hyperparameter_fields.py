"""The kinds of hyperparameters only the XGBoost images have, and their wording of refusals."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Categorical, Continuous, Field, Integer
from sagebrush.algorithms.hyperparameters import Wording
from sagebrush.algorithms.xgboost.vocabulary import METRICS, METRICS_WITH_THRESHOLD

_SCRIPT_MODE_NAMES = ("sagemaker_program", "sagemaker_submit_directory")
"""What the SDK's framework estimators give to say which script of the user's shall train."""


class ImageWording(Wording):
    """The messages of the open XGBoost container."""

    def missing(self, names: list[str]) -> str:
        return f"Missing required hyperparameter: {names[0]}"

    def unknown(self, names: list[str]) -> str:
        scripted = [name for name in _SCRIPT_MODE_NAMES if name in names]
        if scripted:
            listed = " and ".join(scripted)
            return (
                f"Script mode is not supported: {listed} ask for a training script of your own "
                "(sagemaker.xgboost.XGBoost with entry_point), and here this image trains in "
                "algorithm mode only. Use sagemaker.estimator.Estimator without entry_point."
            )
        return f"Extraneous hyperparameter found: {names[0]}"

    def invalid(self, field: Field, text: str) -> str:
        if isinstance(field, Categorical):
            return _outside(field.name, text, list(field.choices))
        if isinstance(field, Integer | Continuous):
            try:
                value = field.number(text)
                allowed = _computable(field) if abs(value) > field.largest else interval(field)
                return _outside(field.name, value, allowed)
            except ValueError:
                return _unparsable(field.name)
        return _unparsable(field.name)

    def missing_channel(self, name: str) -> str:
        return f"Missing required channel: {name}"

    def unknown_channel(self, name: str) -> str:
        return f"Extraneous channel found: {name}"

    def invalid_channel(
        self,
        channel: str,
        setting: str,
        value: str,
        allowed: tuple[str, ...],  # noqa: ARG002
    ) -> str:
        return (
            f"Channel configuration for {channel!r} channel is not supported: { {setting: value} }"
        )


def interval(field: Integer | Continuous) -> str:
    """The field's range in the mathematical notation of the messages, ``(0, 1]``."""
    low = "(-inf" if field.low is None else f"{'(' if field.low_open else '['}{field.low}"
    high = "+inf)" if field.high is None else f"{field.high}{')' if field.high_open else ']'}"
    return f"{low}, {high}"


def _computable(field: Integer | Continuous) -> str:
    """The range where only the numbers that xgboost can compute with bound it."""
    low = f"[{-field.largest}" if field.low is None else interval(field).partition(",")[0]
    return f"{low}, {field.largest if field.high is None else field.high}]"


def _outside(name: str, value: object, allowed: object) -> str:
    return f"Hyperparameter {name}: {value} is not in {allowed}"


def _unparsable(name: str) -> str:
    return f"Hyperparameter {name}: could not parse value (caused by ValueError)"


def _not_in_range(name: str, value: object, allowed: object) -> ClientError:
    return ClientError(f"Hyperparameter {name}: value {value} not in range {allowed}")


@dataclass(frozen=True)
class WholeNumber(Integer):
    """An integer, spelled as one: ``3.0`` is refused as the images refuse it.

    xgboost keeps integers in 32 bits.
    """

    largest = 2**31 - 1

    def number(self, text: str) -> int:
        return int(text)


@dataclass(frozen=True)
class Flag(Categorical):
    """``true`` or ``false``, exactly."""

    choices: tuple[str, ...] = ("true", "false")


@dataclass(frozen=True)
class CommaList(Field):
    """Comma separated words out of ``choices``."""

    choices: tuple[str, ...] = ()

    def read(self, text: str) -> list[str]:
        words = text.split(",")
        if any(word not in self.choices for word in words):
            raise _not_in_range(self.name, words, list(self.choices))
        return words


@dataclass(frozen=True)
class MetricList(Field):
    """Comma separated metrics; ``error@t``, ``ndcg@n`` and ``map@n`` carry a number."""

    def read(self, text: str) -> list[str]:
        metrics = text.split(",")
        if not all(_is_metric(metric) for metric in metrics):
            raise _not_in_range(self.name, metrics, list(METRICS))
        return metrics


def _is_metric(metric: str) -> bool:
    if "<function" in metric:
        raise ClientError(f"User defined evaluation metric {metric} is not supported yet.")
    name, marker, threshold = metric.partition("@")
    if not marker:
        return metric in METRICS
    name = name.strip()
    if name not in METRICS_WITH_THRESHOLD:
        raise ClientError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized "
            "threshold should be one of these options: 'error', 'ndcg', 'map'."
        )
    try:
        # "ndcg@5-" counts queries without relevant rows as zero; the number is what precedes it.
        float(threshold.strip().removesuffix("-"))
    except ValueError:
        raise ClientError(f"Threshold value 't' in '{name}@t' expects float input.") from None
    return True


@dataclass(frozen=True)
class NumberTuple(Field):
    """A Python tuple of numbers out of ``choices``, kept as the text xgboost reads."""

    choices: tuple[int, ...] = ()

    def read(self, text: str) -> str:
        values = _literal(text)
        values = values if isinstance(values, tuple | list) else (values,)
        if any(value not in self.choices for value in values):
            raise _not_in_range(self.name, tuple(values), list(self.choices))
        return "(" + ",".join(str(value) for value in values) + ")"


@dataclass(frozen=True)
class NestedList(Field):
    """A list of lists of feature numbers from 1 on, kept as the text xgboost reads."""

    def read(self, text: str) -> str:
        groups = _literal(text)
        if not isinstance(groups, Sequence) or not all(isinstance(g, list) for g in groups):
            raise ValueError(text)
        for number in (number for group in groups for number in group):
            if not isinstance(number, int) or number < 1:
                raise _not_in_range(self.name, groups, "[1, +inf)")
        return str(groups)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(text) from error
