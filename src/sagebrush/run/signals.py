"""Waiting for signals with a time limit, on Linux and on systems without `sigtimedwait`."""

from __future__ import annotations

import signal
from collections.abc import Set as AbstractSet

_LONGEST_WAIT_S = 3600.0


def block(signals: AbstractSet[signal.Signals]) -> None:
    """Hold back `signals` until `wait` takes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)


def reset() -> None:
    """Give a new process the signal state a shell would give it."""
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def wait(signals: AbstractSet[signal.Signals], timeout_s: float | None) -> signal.Signals | None:
    """Return the blocked signal that arrived first, or None after `timeout_s`."""
    limit_s = _LONGEST_WAIT_S if timeout_s is None else max(0.0, min(timeout_s, _LONGEST_WAIT_S))
    if hasattr(signal, "sigtimedwait"):
        info = signal.sigtimedwait(signals, limit_s)
        return None if info is None else signal.Signals(info.si_signo)
    block({signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, max(limit_s, 0.001))
    arrived = signal.Signals(signal.sigwait({*signals, signal.SIGALRM}))
    signal.setitimer(signal.ITIMER_REAL, 0)
    return None if arrived is signal.SIGALRM else arrived
