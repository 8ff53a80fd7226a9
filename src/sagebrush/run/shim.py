"""The small process that carries one job to its end, whatever happens to the server.

A session leader that nobody waits for. It starts the members and the feeders, holds the job to its
deadline, takes stop requests (a stop file, or SIGTERM), ends the rest when one member fails, packs
the archives and writes the exit record. It holds a lock on the job's directory, so that a job never
runs twice. If it dies itself, the kernel ends the members with it: nothing runs on unseen.

`python -m sagebrush.run.shim DIRECTORY` detaches and carries the job whose spec lies there.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from sagebrush.run import member, signals
from sagebrush.run.job import AWAITED, Job
from sagebrush.run.spec import LOCK_FILE, SHIM_LOG_FILE, SPEC_FILE, ProcessSpec

Acknowledge = Callable[[dict[str, Any]], None]

_BLOCKED = AWAITED | {member.KILL_REQUEST, signal.SIGHUP, signal.SIGINT}


def carry_detached(directory: str, acknowledge: Acknowledge) -> NoReturn:
    """Carry the job in `directory` in this process, which becomes a session of its own.

    Calls `acknowledge` once, with the shim's record or with `{"error"}`, before the first member
    starts; descriptors other than the standard ones are closed then.
    """
    code = 1
    try:
        signals.block(_BLOCKED)
        # A preloaded parent lets its children go unwaited; here they are waited for.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.umask(0o022)
        gc.disable()
        _carry(Path(directory), acknowledge)
        code = 0
    except BaseException:  # noqa: BLE001 - the boundary of a process
        traceback.print_exc()
    finally:
        os._exit(code)


def _carry(directory: Path, acknowledge: Acknowledge) -> None:
    try:
        spec = ProcessSpec.from_json((directory / SPEC_FILE).read_bytes())
        # Held by its number until the process ends.
        lock = _take_lock(directory)
        job = Job(spec)
        record = job.announce()
    except (OSError, ValueError, TypeError, KeyError) as error:
        acknowledge({"directory": str(directory), "error": f"{type(error).__name__}: {error}"})
        raise
    acknowledge(record)
    _let_go(directory / SHIM_LOG_FILE, {lock, job.life_read, job.life_write})
    job.carry()


def _take_lock(directory: Path) -> int:
    lock = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # POSIX and not BSD: a member must not keep it alive.
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OSError(error.errno, f"another process carries the job in {directory}") from error
    return lock


def _let_go(log: Path, kept: set[int]) -> None:
    """Detach from whoever started us: their pipes and sockets, their directory."""
    member.redirect_output(log)
    member.close_others(kept)
    os.chdir("/")


def main() -> None:
    """Fork the shim off; tell on standard output, as one line of JSON, who it is."""
    if os.fork():
        os._exit(0)

    def acknowledge(record: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()

    carry_detached(sys.argv[1], acknowledge)


if __name__ == "__main__":
    main()
