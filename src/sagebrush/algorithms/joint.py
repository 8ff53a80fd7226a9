"""Requests that wait at the same time, predicted together where that is cheaper.

The server hands over what has arrived while it was busy, so nobody waits for company. Each request
is decoded and answered for itself: one that is bad fails alone.
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from sagebrush.algorithms.errors import InferenceError

Outcome = tuple[bytes, str] | InferenceError

# Larger bodies have rows enough to be worth a prediction of their own.
MAX_BODY_BYTES = 1 << 13
MAX_REQUESTS = 64
# How much a new measurement counts, and after how many groups the other way is tried again.
_WEIGHT = 0.1
_TRIAL_INTERVAL = 64


@runtime_checkable
class JointPredictor(Protocol):
    """A predictor whose predictions of several requests' rows may be cheaper than of each.

    ``invoke(body, content_type, accept)`` is the three steps one after the other.
    """

    def rows_of(self, body: bytes, content_type: str) -> Any:
        """The rows of a request body; InferenceError as ``invoke``."""

    def predictions_of(self, parts: Sequence[Any]) -> Sequence[Any] | None:
        """The predictions for the rows of each request; None if they do not go together."""

    def answer_of(self, rows: Any, predictions: Any, accept: str) -> tuple[bytes, str]:
        """The response body and its content type; InferenceError as ``invoke``."""


def invoke_together(
    predictor: JointPredictor, bodies: Sequence[bytes], content_type: str, accept: str
) -> list[Outcome] | None:
    """What each of the bodies is answered; None where they must be asked one by one."""
    decoded = [_rows_or_error(predictor, body, content_type) for body in bodies]
    parts = [rows for rows in decoded if not isinstance(rows, InferenceError)]
    if not parts:
        return decoded
    predictions = predictor.predictions_of(parts)
    if predictions is None:
        return None
    predicted = iter(predictions)
    return [
        rows
        if isinstance(rows, InferenceError)
        else _answer_or_error(predictor, rows, next(predicted), accept)
        for rows in decoded
    ]


def _rows_or_error(predictor: JointPredictor, body: bytes, content_type: str) -> Any:
    try:
        return predictor.rows_of(body, content_type)
    except InferenceError as error:
        return error


def _answer_or_error(
    predictor: JointPredictor, rows: Any, predictions: Any, accept: str
) -> Outcome:
    try:
        return predictor.answer_of(rows, predictions, accept)
    except InferenceError as error:
        return error


class Gain:
    """Knows from measurements whether it is cheaper to predict together.

    Both ways are tried when requests first wait together, and the dearer one again now and then:
    what is asked may change.
    """

    def __init__(self) -> None:
        self._cost_s: dict[bool, float] = {}
        self._groups = 0

    def prefers_together(self) -> bool:
        """Whether the group that waits now is to be predicted together."""
        self._groups += 1
        for way in (True, False):
            if way not in self._cost_s:
                return way
        cheaper = self._cost_s[True] < self._cost_s[False]
        return not cheaper if self._groups % _TRIAL_INTERVAL == 0 else cheaper

    def note(self, together: bool, requests: int, started: float) -> None:
        """Take a measurement: a group of `requests` begun at `started` (perf_counter)."""
        cost_s = (time.perf_counter() - started) / requests
        known = self._cost_s.get(together, cost_s)
        # A group that was interrupted, or was the first to need something, tells little.
        cost_s = min(cost_s, 4 * known)
        self._cost_s[together] = known + _WEIGHT * (cost_s - known)
