"""Measures one server in one setting at each number of connections."""

from __future__ import annotations

import contextlib
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.peers import PeerError
from benchmarks.serving.endpoints import endpoint
from benchmarks.serving.load import Address, drive
from benchmarks.serving.models import Model
from benchmarks.serving.peer_servers import peer
from benchmarks.serving.processes import cpu_s, family, memory_bytes
from benchmarks.serving.relay import relayed
from benchmarks.serving.targets import OURS, Setting, Target

_WARM_UP_S = 1.0
_READY_LIMIT_S = 60.0
_FEWEST_WARM_UP_CONNECTIONS = 4


def serve(setting: Setting, model: Model, folder: Path) -> AbstractContextManager[Target]:
    """Return the running server of a setting, as a context."""
    return endpoint(setting, model) if setting.server == OURS else peer(setting, model, folder)


def measure(
    setting: Setting, model: Model, connections: list[int], *, duration_s: float, repeats: int
) -> dict[str, dict[str, Any]]:
    """Return the figures by number of connections: of several runs, the one in the middle.

    Raises:
        PeerError: a peer cannot be had here, or its requests fail.
    """
    found: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        target = stack.enter_context(serve(setting, model, folder))
        for count in connections:
            _warm_up(target, max(count, _FEWEST_WARM_UP_CONNECTIONS))
            runs = [_run(target, count, duration_s) for _ in range(repeats)]
            runs.sort(key=lambda run: float(run["per_second"]))
            chosen = runs[len(runs) // 2]
            if target.direct is not None:
                chosen |= _direct(target.direct, count, min(duration_s, 3.0))
                path, request = target.direct
                chosen |= relayed(str(path), request, count, min(duration_s, 3.0))
            found[str(count)] = chosen
    return found


def _warm_up(target: Target, connections: int) -> None:
    """Return once everything is answered: processes that still load answer late, or with errors."""
    deadline = time.monotonic() + _READY_LIMIT_S
    while True:
        try:
            run = drive(
                target.address, target.request, connections=connections, duration_s=_WARM_UP_S
            )
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_WARM_UP_S)
            continue
        if run.requests and not run.errors:
            return
        if time.monotonic() > deadline:
            raise PeerError(f"{run.errors} of {run.total_requests} requests fail")


def _run(target: Target, connections: int, duration_s: float) -> dict[str, Any]:
    pids = family(target.pid)
    before = {pid: cpu_s(pid) for pid in pids}
    run = drive(target.address, target.request, connections=connections, duration_s=duration_s)
    if not run.requests:
        raise PeerError(f"nothing was answered in {duration_s:g} s")
    took = {pid: cpu_s(pid) - before[pid] for pid in pids}
    figures = run.as_dict()
    requests = max(run.total_requests, 1)
    figures["cpu_us"] = sum(took.values()) / requests * 1e6
    figures["memory_bytes"] = memory_bytes(family(target.pid))
    if target.router_pid is not None:
        figures["router_cpu_us"] = took[target.router_pid] / requests * 1e6
    return figures


def _direct(direct: tuple[Address, bytes], connections: int, duration_s: float) -> dict[str, float]:
    """The same requests to the model server itself: what the router adds is the difference."""
    run = drive(direct[0], direct[1], connections=connections, duration_s=duration_s)
    return {"direct_p50_ms": run.p50_ms, "direct_per_second": run.per_second}
