"""Who in this server wants to know when a training job told a metric or came to its end."""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.services.platform import Platform

_WORKER = "sagemaker.training.observers"

Observer = Callable[[int], None]


def observers_of(platform: Platform) -> list[Observer]:
    """Return the platform's observers: each is called with the number of a job's row."""
    observers: list[Observer] = platform.workers.setdefault(_WORKER, [])
    return observers


def tell(platform: Platform, job_id: int) -> None:
    """Call every observer; the job's row says what happened."""
    for observer in observers_of(platform):
        observer(job_id)
