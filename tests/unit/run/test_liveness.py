"""Following a shim on systems that lack what Linux has."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from sagebrush.run import records, signals
from sagebrush.run.liveness import Liveness
from sagebrush.run.records import Exit

from .conftest import Workbench, play, shell, written


def test_lock_tells_of_life_and_death_without_process_descriptors(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("elsewhere", shell("echo ready; sleep 60"))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.setattr(records, "start_time", lambda pid: 0)
        follower = Liveness(handle.record)
        assert follower.alive()
        follower.send(signal.SIGTERM)
        await follower.wait_for_death()
        assert not follower.alive()
        assert isinstance(await handle.wait(), Exit)

    play(root, story)


def test_wait_without_sigtimedwait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "sigtimedwait")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        assert signals.wait({signal.SIGUSR2}, 0.01) is None
        # To this thread: others of a test runner may not have the signal blocked.
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
        assert signals.wait({signal.SIGUSR2}, 30) is signal.SIGUSR2
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_start_time_of_nobody_is_none() -> None:
    assert records.start_time(2**22 + 1) is None
