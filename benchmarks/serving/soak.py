"""Holds an endpoint at a part of its peak for long, and watches memory and errors."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.serving.load import drive
from benchmarks.serving.measuring import serve
from benchmarks.serving.models import Model
from benchmarks.serving.processes import family, memory_bytes
from benchmarks.serving.targets import OURS, Setting, Target

CONNECTIONS = 16
SHARE_OF_PEAK = 0.7
_PEAK_S = 10.0
_LONGEST_SLICE_S = 30.0
_SLICES = 10
# What memory may grow by between the first and the last third and still be called constant.
_GROWTH = 0.05
_GROWTH_BYTES = 4 << 20
# The rate counts as held where this part of it was answered.
_HELD = 0.95


class Sample(NamedTuple):
    """One slice of the time."""

    memory_bytes: int
    errors: int
    per_second: float
    p99_ms: float


def soak(model: Model, minutes: float) -> dict[str, Any]:
    """Return the peak, the samples of every half minute (or tenth) and the judgement."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Setting(OURS, model.name), model, Path(folder)) as target,
    ):
        peak = drive(target.address, target.request, connections=CONNECTIONS, duration_s=_PEAK_S)
        rate = peak.per_second * SHARE_OF_PEAK
        print(f"   peak {peak.per_second:.0f}/s; holding {rate:.0f}/s for {minutes:g} min")
        samples = _samples(target, rate, minutes * 60)
    return {
        "peak_per_second": peak.per_second,
        "rate": rate,
        "samples": [sample._asdict() for sample in samples],
        "faults": faults(samples, rate),
    }


def _samples(target: Target, rate: float, duration_s: float) -> list[Sample]:
    samples: list[Sample] = []
    # What has ever been below the server: a model's process outlives the one it was forked from.
    pids: set[int] = set()
    slice_s = min(_LONGEST_SLICE_S, duration_s / _SLICES)
    end = time.monotonic() + duration_s
    while (left_s := end - time.monotonic()) > slice_s / 2:
        run = drive(
            target.address,
            target.request,
            connections=CONNECTIONS,
            duration_s=min(slice_s, left_s),
            rate=rate,
        )
        pids.update(family(target.pid))
        memory = memory_bytes(sorted(pids), "Pss_Anon")
        samples.append(Sample(memory, run.errors, run.per_second, run.p99_ms))
        print(
            f"   {run.per_second:7.0f}/s, p99 {run.p99_ms:.2f} ms, {memory / 1e6:.1f} MB,"
            f" {run.errors} errors",
            flush=True,
        )
    return samples


def faults(samples: Sequence[Sample], rate: float) -> list[str]:
    """Return what is wrong with a soak; nothing when memory was constant and no request failed.

    The first sample warms up and is left out.
    """
    counted = samples[1:]
    if len(counted) < 3:
        return ["too short to tell: there must be four samples or more"]
    found = []
    errors = sum(sample.errors for sample in samples)
    if errors:
        found.append(f"{errors} requests failed")
    third = len(counted) // 3
    first = _median([sample.memory_bytes for sample in counted[:third]])
    last = _median([sample.memory_bytes for sample in counted[-third:]])
    if last - first > max(first * _GROWTH, _GROWTH_BYTES):
        found.append(f"memory grew from {first / 1e6:.1f} to {last / 1e6:.1f} MB")
    held = _median([sample.per_second for sample in counted])
    if held < rate * _HELD:
        found.append(f"{held:.0f} requests per second were answered of {rate:.0f}")
    return found


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
