"""Selectable inference: the outputs that SAGEMAKER_INFERENCE_OUTPUT names, for each row."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.xgboost.answers import JSON, JSON_LINES
from sagebrush.algorithms.xgboost.vocabulary import CSV

_CLASS_KEYS = ("predicted_label", "labels", "raw_score", "raw_scores")
_PROBABILITY_KEYS = (*_CLASS_KEYS, "probability", "probabilities")
_VALUE_KEYS = ("predicted_score",)

KEYS_OF_OBJECTIVE: dict[str, tuple[str, ...]] = {
    "reg:squarederror": _VALUE_KEYS,
    "reg:logistic": _VALUE_KEYS,
    "reg:gamma": _VALUE_KEYS,
    "reg:absoluteerror": _VALUE_KEYS,
    "reg:tweedie": _VALUE_KEYS,
    "binary:logistic": _PROBABILITY_KEYS,
    "binary:logitraw": _CLASS_KEYS,
    "binary:hinge": _CLASS_KEYS,
    "multi:softmax": _CLASS_KEYS,
    "multi:softprob": _PROBABILITY_KEYS,
}
_THRESHOLDS = {"binary:logistic": 0.5, "binary:logitraw": 0.0}


def selected_keys(setting: str) -> list[str]:
    """The keys of the environment variable's value, in its order."""
    return setting.replace(" ", "").lower().split(",")


def select(
    predictions: NDArray[Any], keys: Sequence[str], objective: str, num_class: int
) -> list[dict[str, Any]]:
    """The wanted outputs of each row; NaN for keys the objective does not have.

    ValueError for an objective without selectable outputs.
    """
    valid = KEYS_OF_OBJECTIVE.get(objective)
    if valid is None:
        raise ValueError(
            f"Objective `{objective}` unsupported for selectable inference predictions."
        )
    readers = {key: _reader(key, objective, num_class) for key in keys if key in valid}
    return [
        {key: readers[key](row) if key in readers else math.nan for key in keys}
        for row in predictions.tolist()
    ]


def _reader(key: str, objective: str, num_class: int) -> Callable[[Any], Any]:
    if key == "labels":
        labels = list(range(num_class)) if objective.startswith("multi:") else [0, 1]
        return lambda _: labels
    if key == "predicted_label":
        return _label_reader(objective)
    if key in {"probability", "raw_score"}:
        return max if objective == "multi:softprob" else _itself
    if key in {"probabilities", "raw_scores"}:
        return _itself if objective == "multi:softprob" else _both
    return _itself


def _label_reader(objective: str) -> Callable[[Any], Any]:
    if objective == "multi:softprob":
        return lambda row: int(np.argmax(row))
    threshold = _THRESHOLDS.get(objective)
    return _itself if threshold is None else lambda score: int(score > threshold)


def _itself(value: Any) -> Any:
    return value


def _both(value: float) -> list[float]:
    return [1.0 - value, value]


def encode_selected(
    rows: list[dict[str, Any]], keys: Sequence[str], accept: str, *, ends_line: bool
) -> bytes:
    """The outputs in the media type.

    A CSV line has the keys in order, lists in quotes; ``ends_line`` ends the last one, as batch
    transform needs. In recordio each output is a float32 tensor in the record's label.
    """
    if accept == JSON:
        return json.dumps({"predictions": rows}).encode()
    if accept == JSON_LINES:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if accept == CSV:
        text = "\n".join(",".join(_cell(row[key]) for key in keys) for row in rows)
        return (text + "\n" if ends_line else text).encode()
    from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs

    return encode_outputs({key: np.array([row[key] for row in rows]) for key in keys})


def _cell(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)
