"""One job's course: start, supervise, stop, archive, record.

Runs in the shim, single-threaded and driven by signals, so that it needs nothing of the server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagebrush.run import archive, feeder, kernel, member, records, sandbox, signals
from sagebrush.run.limits import Group, group_of
from sagebrush.run.records import Exit, MemberExit, Phase, Reason
from sagebrush.run.spec import LOCK_FILE, SHIM_FILE, STOP_FILE, Feeder, Member, ProcessSpec

AWAITED = frozenset({signal.SIGTERM, signal.SIGCHLD})
"""Signals the course of a job is driven by; to be blocked before a `Job` runs."""

_STOP_FILE_POLL_S = 1.0
_LAST_RESORT_S = 5.0
_PEER_GRACE_S = 30.0
_FEED_GRACE_S = 5.0


class _Running:
    """A started member, or a feeder, and the pipe that tells its fate."""

    def __init__(self, name: str, pid: int, report: int, group: Group | None) -> None:
        self.name = name
        self.pid = pid
        self.report = report
        self.group = group

    def told(self) -> dict[str, Any]:
        """Return everything it reported; to be called once it is dead."""
        fields: dict[str, Any] = {}
        with os.fdopen(self.report, "rb") as report:
            for line in report:
                fields.update(json.loads(line))
        return fields


class Job:
    """One job, from its spec to its exit record. Runs in a process of its own, the shim."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.directory = Path(spec.directory)
        self.members: dict[int, _Running] = {}
        self.feeders: dict[int, _Running] = {}
        self.fates: dict[str, MemberExit] = {}
        self.phases: dict[str, tuple[float, float]] = {}
        self.reason: Reason | None = None
        self.error: str | None = None
        self.failed_member: str | None = None
        self.feed_error: str | None = None
        self.kill_at: float | None = None
        self.archiving = True
        self.deadline: float | None = None
        self.phase = Phase.STARTING
        self.phase_since = time.time()
        self.identity: dict[str, Any] = {}
        self.life_read, self.life_write = os.pipe()

    def announce(self) -> dict[str, Any]:
        """Write and return the record by which a server finds this shim again."""
        pid = os.getpid()
        self.identity = {
            "directory": self.spec.directory,
            "pid": pid,
            "start_time": records.start_time(pid),
            "boot_id": records.boot_id(),
            "name": self.spec.name,
            "isolation": self.spec.isolation,
            "limiter": self.spec.limiter,
        }
        self._publish()
        return self.identity

    def carry(self) -> None:
        """Run the job to its end."""
        try:
            self._start()
            self._enter(Phase.RUNNING)
            self._supervise()
        except OSError as error:
            self._conclude(Reason.START_FAILED, str(error))
            self._end_all()
        self._reap()
        self._end_feeders()
        self._prefer_feed_error()
        archives = self._archive()
        self._enter(None)
        self._clean()
        records.write_exit(self.directory, self._exit(archives))

    def _publish(self) -> None:
        pids = {running.name: running.pid for running in self.members.values()}
        record = {**self.identity, "phase": self.phase, "members": pids}
        records.write_atomically(self.directory / SHIM_FILE, record)

    def _enter(self, phase: Phase | None) -> None:
        now = time.time()
        self.phases[self.phase] = (self.phase_since, now)
        if phase is not None:
            self.phase, self.phase_since = phase, now
            # Telling is not worth the job: its disk may be full.
            with _logged("the phase is not told"):
                self._publish()

    def _start(self) -> None:
        records.reserve_exit(self.directory)
        for plan in self.spec.feeders:
            self._start_feeder(plan)
        groups = {}
        for one in self.spec.members:
            sandbox.prepare(self.spec, one)
            groups[one.name] = self._group(one)
            groups[one.name].create()
        sandbox.enter_job(self.spec)
        for one in self.spec.members:
            pid, report = member.start(self.spec, one, groups[one.name], self.life_read)
            self.members[pid] = _Running(one.name, pid, report, groups[one.name])
        if self.spec.max_runtime_s is not None:
            self.deadline = time.monotonic() + self.spec.max_runtime_s

    def _group(self, one: Member) -> Group:
        return group_of(self.spec.limiter, self.spec.directory, one.name, self.spec.limits)

    def _start_feeder(self, plan: Feeder) -> None:
        report_read, report_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            kernel.die_with_parent(signal.SIGKILL)
            os.close(self.life_write)
            signals.reset()
            # Written to and not killed by it: a reader may close early.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            try:
                feeder.feed(plan)
            except BaseException as error:  # noqa: BLE001 - the boundary of a process
                os.write(report_write, json.dumps({"error": str(error)}).encode())
            finally:
                os._exit(1)
        os.close(report_write)
        self.feeders[pid] = _Running(Path(plan.fifo).name, pid, report_read, None)

    def _supervise(self) -> None:
        while self.members:
            arrived = signals.wait(AWAITED, self._patience_s())
            self._reap()
            self._give_up_without_directory()
            self._take_stop_request()
            if arrived is signal.SIGTERM and self.reason is None:
                self._terminate(Reason.INTERRUPTED, self.spec.grace_s)
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                self.deadline = None
                self._terminate(Reason.DEADLINE, self.spec.grace_s)
            if self.kill_at is not None and now >= self.kill_at:
                self._kill(member.KILL_REQUEST if now < self.kill_at + _LAST_RESORT_S else None)

    def _patience_s(self) -> float:
        now = time.monotonic()
        times = [at - now for at in (self.deadline, self.kill_at) if at is not None]
        # Past the kill, look again soon: the last resort may be needed.
        return max(0.02, min([_STOP_FILE_POLL_S, *times]))

    def _give_up_without_directory(self) -> None:
        """End everything when the directory was deleted: nobody could learn how the job ends."""
        if not (self.directory / LOCK_FILE).exists():
            self._end_all()
            self._end_feeders()
            self._remove_groups()
            os._exit(1)

    def _take_stop_request(self) -> None:
        path = self.directory / STOP_FILE
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return
        grace_s, self.archiving = _read_request(text, self.spec.grace_s)
        path.rename(path.with_suffix(".taken"))
        self._terminate(Reason.STOPPED, grace_s)

    def _terminate(self, reason: Reason, grace_s: float, error: str | None = None) -> None:
        self._conclude(reason, error)
        kill_at = time.monotonic() + grace_s
        if self.kill_at is None:
            for running in self.members.values():
                _send(running.pid, signal.SIGTERM)
            self._enter(Phase.STOPPING)
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def _conclude(self, reason: Reason, error: str | None = None) -> None:
        if self.reason is None:
            self.reason, self.error = reason, error

    def _kill(self, request: signal.Signals | None) -> None:
        for running in self.members.values():
            _send(running.pid, request or signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.members:
                self._record_fate(self.members.pop(pid), status)
            elif pid in self.feeders:
                self._feeder_failed(self.feeders.pop(pid), status)

    def _feeder_failed(self, running: _Running, status: int) -> None:
        cause = running.told().get("error", f"ended with status {status}")
        self.feed_error = self.feed_error or f"{running.name}: {cause}"
        if self.members and self.reason is None:
            grace_s = min(self.spec.grace_s, _FEED_GRACE_S)
            self._terminate(Reason.FEED_FAILED, grace_s, self.feed_error)

    def _prefer_feed_error(self) -> None:
        """Blame a broken source for whatever its reader made of the data's early end."""
        if self.feed_error and self.reason in (None, Reason.FAILED):
            self.reason, self.error = Reason.FEED_FAILED, self.feed_error

    def _record_fate(self, running: _Running, status: int) -> None:
        told = running.told()
        error = told.pop("error", None)
        if "ended_at" not in told and error is None:
            # The init itself was ended: by our last resort or from outside.
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else signal.SIGKILL
            told.update(ended_at=time.time(), signal=int(number))
        usage = running.group.usage() if running.group else None
        if usage and usage.memory_peak_bytes is not None:
            told["memory_peak_bytes"] = usage.memory_peak_bytes
        fate = MemberExit(
            running.name, error=error, out_of_memory=bool(usage and usage.out_of_memory), **told
        )
        if error is not None:
            fate = dataclasses.replace(fate, exit_code=None, signal=None, ended_at=None)
        self.fates[running.name] = fate
        if error is not None or fate.exit_code != 0:
            self._member_failed(fate)

    def _member_failed(self, fate: MemberExit) -> None:
        if self.reason is not None:
            return
        self.failed_member = fate.name
        reason = Reason.START_FAILED if fate.error else Reason.FAILED
        grace_s = min(self.spec.grace_s, _PEER_GRACE_S)
        if self.members:
            self._terminate(reason, grace_s, fate.error)
        else:
            self._conclude(reason, fate.error)

    def _end_all(self) -> None:
        self._kill(None)
        while self.members:
            signals.wait(AWAITED, _STOP_FILE_POLL_S)
            self._reap()

    def _end_feeders(self) -> None:
        for pid in self.feeders:
            _send(pid, signal.SIGKILL)
        for pid, running in self.feeders.items():
            os.waitpid(pid, 0)
            os.close(running.report)
        self.feeders.clear()

    def _archive(self) -> dict[str, int | None]:
        if not self.spec.archives or not self.archiving or self.reason is Reason.START_FAILED:
            return {}
        self._enter(Phase.ARCHIVING)
        sizes: dict[str, int | None] = {}
        try:
            for plan in self.spec.archives:
                sizes[plan.destination] = archive.make(plan, self.spec.directory)
        except OSError as error:
            _complain(f"{plan.destination}: {error}")
            if self.reason is None:
                self._conclude(Reason.ARCHIVE_FAILED, f"{plan.destination}: {error}")
        return sizes

    def _remove_groups(self) -> None:
        for one in self.spec.members:
            with _logged(f"the group of {one.name} stays behind"):
                self._group(one).remove()

    def _clean(self) -> None:
        self._remove_groups()
        with _logged("private files stay behind"):
            shutil.rmtree(self.directory / "private")

    def _exit(self, archives: dict[str, int | None]) -> Exit:
        fates = [
            self.fates.get(one.name, MemberExit(one.name, error="not started"))
            for one in self.spec.members
        ]
        return Exit(
            self.reason or Reason.COMPLETED,
            tuple(fates),
            self.phases,
            archives,
            self.failed_member,
            self.error,
        )


def _read_request(text: bytes, usual_grace_s: float) -> tuple[float, bool]:
    """Return grace period and whether to archive; a file made by hand, even empty, will do."""
    try:
        request = json.loads(text)
        return float(request["grace_s"]), bool(request["archive"])
    except (ValueError, KeyError, TypeError):
        return usual_grace_s, True


@contextlib.contextmanager
def _logged(consequence: str) -> Iterator[None]:
    """Write a failure that must not end the job to the shim's log."""
    try:
        yield
    except OSError as error:
        _complain(f"{error}: {consequence}")


def _complain(text: str) -> None:
    # The log may lie on the very disk that is full; the exit record matters more.
    with contextlib.suppress(OSError):
        os.write(2, text.encode() + b"\n")


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
