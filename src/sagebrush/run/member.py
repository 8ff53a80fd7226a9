"""One host of a job: an init process, first in its process namespace, and the worker under it.

The init sets up the view and the ceilings, starts the worker, passes SIGTERM on to it, reaps
orphans and reports, one JSON object per line, to a pipe of the shim: `{"started_at"}`, then
`{"ended_at", "exit_code" | "signal", ...}`, or `{"error"}` when nothing could be started.
When the init ends, nothing that the worker started is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from sagebrush.run import bubblewrap, kernel, sandbox, signals, threads
from sagebrush.run.limits import Group
from sagebrush.run.spec import Entry, Member, ProcessSpec, without_sandbox

KILL_REQUEST = signal.SIGUSR1
_AWAITED = frozenset({signal.SIGCHLD, signal.SIGTERM, KILL_REQUEST})
_START_FAILED = 127
_SIGNAL_BASE = 128


def start(spec: ProcessSpec, member: Member, group: Group, life: int) -> tuple[int, int]:
    """Return the init's process id and the pipe end that tells its fate.

    `life` is the read end of a pipe whose write end only the shim holds.
    """
    report_read, report_write = os.pipe()
    fork = os.fork if spec.isolation != sandbox.NAMESPACES else _fork_in_process_namespace
    pid = fork()
    if pid == 0:
        try:
            if spec.isolation == sandbox.USER_NAMESPACES:
                _fork_behind_gate()
            _run_init(spec, member, group, life, report_write)
        except BaseException as error:  # noqa: BLE001 - the boundary of a process
            _report(report_write, error=f"{type(error).__name__}: {error}")
            traceback.print_exc()
        finally:
            os._exit(_START_FAILED)
    os.close(report_write)
    return pid, report_read


def _fork_in_process_namespace() -> int:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.NEW_PROCESSES)
    pid = os.fork()
    if pid:
        kernel.enter_namespace(own, kernel.NEW_PROCESSES)
        os.close(own)
    return pid


def _fork_behind_gate() -> None:
    """Return in a child; this process stays between, since no ordinary user can leave a namespace.

    (The shim would have to enter the new process namespace's parent again for its next member.)
    """
    kernel.die_with_parent(signal.SIGKILL)
    signals.block(_AWAITED)
    kernel.unshare(kernel.NEW_PROCESSES)
    init = os.fork()
    while init:
        arrived = signals.wait(_AWAITED, None)
        if arrived is signal.SIGCHLD:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]) & 0xFF)
        elif arrived is not None:
            os.kill(init, arrived)


def _run_init(spec: ProcessSpec, member: Member, group: Group, life: int, report: int) -> NoReturn:
    gc.disable()
    signals.block(_AWAITED)
    kernel.die_with_parent(signal.SIGKILL)
    _exit_if_hung_up(life)
    redirect_output(Path(spec.directory, f"{member.name}.log"))
    close_others({0, 1, 2, life, report})
    group.join()
    if sandbox.has_own_namespaces(spec):
        sandbox.enter(spec, member)
    else:
        kernel.adopt_orphans()
    if spec.isolation == sandbox.PROCESS:
        member = _with_own_temporary(spec, member)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    started_at = time.time()
    worker = os.fork()
    if worker == 0:
        _become_worker(spec, member, life, report)
    _report(report, started_at=started_at)
    status, usage = _wait_for_worker(spec, worker, life)
    _kill_everything(spec, worker)
    code = os.waitstatus_to_exitcode(status)
    if spec.isolation == sandbox.BUBBLEWRAP and code > _SIGNAL_BASE:
        code = _SIGNAL_BASE - code  # how it reports that its program died of a signal
    fate = {"exit_code": code} if code >= 0 else {"signal": -code}
    _report(
        report,
        ended_at=time.time(),
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory_peak_bytes=usage.ru_maxrss * (1024 if kernel.LINUX else 1),
        **fate,
    )
    os._exit(0)


def _with_own_temporary(spec: ProcessSpec, member: Member) -> Member:
    temporary = str(sandbox.Layout.of(spec.directory, member.name).temporary)
    # Not by translating /tmp everywhere: the machine's own files may lie there.
    usual = Member.working_directory
    plain = without_sandbox(member)
    return dataclasses.replace(
        plain,
        environment={"TMPDIR": temporary, **plain.environment},
        working_directory=temporary
        if member.working_directory == usual
        else plain.working_directory,
    )


def _exit_if_hung_up(life: int) -> None:
    poll = select.poll()
    poll.register(life, select.POLLIN)
    if poll.poll(0):
        os._exit(_START_FAILED)


def redirect_output(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def close_others(kept: set[int]) -> None:
    """Close every inherited descriptor: pipes and sockets of the shim or of a preloaded parent."""
    low = 3
    for descriptor in sorted(descriptor for descriptor in kept if descriptor >= low):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def _report(descriptor: int, **fields: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, json.dumps(fields).encode() + b"\n")


def _wait_for_worker(
    spec: ProcessSpec, worker: int, life: int
) -> tuple[int, resource.struct_rusage]:
    poll_s = None if kernel.LINUX else 1.0  # elsewhere the kernel does not end us with the shim
    while True:
        arrived = signals.wait(_AWAITED, poll_s)
        if arrived is signal.SIGTERM:
            _ask_to_end(spec, worker)
        elif arrived is KILL_REQUEST:
            os.kill(worker, signal.SIGKILL)
        elif arrived is None:
            _exit_if_hung_up(life)
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == worker:
                return status, usage
            if pid == 0:
                break


def _ask_to_end(spec: ProcessSpec, worker: int) -> None:
    """Send SIGTERM to the job's program: bubblewrap would die of it and not pass it on."""
    programs = [worker]
    if spec.isolation == sandbox.BUBBLEWRAP:
        inner = [child for init in _children_of(worker) for child in _children_of(init)]
        programs = inner or programs
    for program in programs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, signal.SIGTERM)


def _kill_everything(spec: ProcessSpec, worker: int) -> None:
    """End whatever the worker left behind; in a process namespace that is everything but us."""
    # Without the second test a mistake here would end every process of the machine.
    if sandbox.has_own_namespaces(spec) and os.getpid() == 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker, signal.SIGKILL)
        _kill_adopted()
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _kill_adopted() -> None:
    """Kill the children that reached us when their parents died, until there are none."""
    if not kernel.LINUX:
        return
    while children := _children_of(os.getpid()):
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _children_of(parent: int) -> list[int]:
    children = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are wanted
        if name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = Path("/proc", name, "stat").read_text(errors="replace").rpartition(")")[2]
                if int(fields.split()[1]) == parent:
                    children.append(int(name))
    return children


def _become_worker(spec: ProcessSpec, member: Member, life: int, report: int) -> NoReturn:
    try:
        os.close(life)
        os.setsid()
        signals.reset()
        kernel.die_with_parent(signal.SIGKILL)
        os.chdir(member.working_directory if Path(member.working_directory).is_dir() else "/")
        os.environ.clear()
        os.environ.update(member.environment)
        _run_worker(spec, member, report)
    except BaseException as error:  # noqa: BLE001 - the boundary of a process
        _report(report, error=f"{type(error).__name__}: {error}")
    finally:
        os._exit(_START_FAILED)


def _run_worker(spec: ProcessSpec, member: Member, report: int) -> NoReturn:
    os.set_inheritable(report, False)
    if member.entry is None:
        _execute(spec, member, list(member.argv))
    if spec.family is None:
        interpreter = spec.interpreter or sys.executable
        given = member.environment.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{spec.python_path}:{given}" if given else spec.python_path
        command = [interpreter, "-m", "sagebrush.run.member", json.dumps(vars(member.entry))]
        _execute(spec, member, command)
    os.close(report)
    threads.set_counts(member.threads)
    threads.reseed()
    gc.enable()
    sys.argv = [member.entry.function]
    os._exit(call_entry(member.entry))


def _execute(spec: ProcessSpec, member: Member, command: list[str]) -> NoReturn:
    if spec.isolation == sandbox.BUBBLEWRAP:
        command = bubblewrap.command(spec, member, command)
    os.execvpe(command[0], command, dict(os.environ))  # noqa: S606


def call_entry(entry: Entry) -> int:
    """Return the exit code of `entry`, as the interpreter would give it; output is flushed."""
    module_name, _, function_name = entry.function.partition(":")
    try:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        function = getattr(importlib.import_module(module_name), function_name)
        code = function(**entry.arguments)
    except SystemExit as request:
        code = request.code
    except BaseException:  # noqa: BLE001 - what an interpreter does at its top
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


if __name__ == "__main__":
    sys.exit(call_entry(Entry(**json.loads(sys.argv[1]))))
