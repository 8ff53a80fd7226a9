"""A job from start to exit record, under every isolation."""

from __future__ import annotations

import asyncio
import signal
import tarfile
from pathlib import Path

import pytest

from sagebrush.base.errors import ConfigurationError
from sagebrush.run.families import StartError
from sagebrush.run.records import Phase, Reason
from sagebrush.run.spec import Access, Archive, Entry, Member, Mount, Readiness

from .conftest import Workbench, log_of, play, python, shell, written


def test_start_success_leaves_exit_record_log_and_archive(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job(
            "ok",
            shell('echo out; echo err >&2; echo weights > "$MODEL/w"'),
            archives=(Archive("model.tar.gz", ("ml-algo-1/model",)),),
        )
        member = spec.members[0]
        member.environment["MODEL"] = "/opt/ml/model"
        ended = await bench.run(spec)
        assert (ended.reason, ended.exit_code) == (Reason.COMPLETED, 0)
        assert log_of(spec) == "out\nerr\n"
        assert set(ended.phases) == {"starting", "running", "archiving"}
        with tarfile.open(Path(spec.directory, "model.tar.gz")) as archive:
            assert archive.getnames() == ["w"]
        assert not Path(spec.directory, "private").exists()

    play(root, story, isolation=isolation)


def test_start_failure_keeps_the_exit_code(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        ended = await bench.run(bench.job("bad", shell("exit 41")))
        assert (ended.reason, ended.exit_code) == (Reason.FAILED, 41)
        assert ended.failed_member == "algo-1"

    play(root, story, isolation=isolation)


def test_start_failure_by_signal_keeps_the_signal(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        ended = await bench.run(bench.job("segv", shell("kill -SEGV $$")))
        assert ended.members[0].signal == signal.SIGSEGV
        assert ended.exit_code == 128 + signal.SIGSEGV

    play(root, story, isolation=isolation)


def test_start_missing_program_says_so(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("missing", Member("algo-1", argv=("/no/such/program",)))
        ended = await bench.run(spec)
        assert ended.reason is Reason.START_FAILED
        assert ended.error is not None
        assert "/no/such/program" in ended.error
        assert ended.exit_code is None

    play(root, story, isolation=isolation)


def test_start_missing_mount_source_says_so(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        member = shell("exit 0", mounts=(Mount("/no/such/source", "/opt/ml/code"),))
        ended = await bench.run(bench.job("source", member))
        assert ended.reason is Reason.START_FAILED
        assert "/no/such/source" in str(ended.error)

    play(root, story, isolation=sandboxed)


def test_environment_is_complete_and_nothing_else(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        member = Member("algo-1", argv=("/usr/bin/env",), environment={"ONLY": "this"})
        spec = bench.job("environment", member)
        await bench.run(spec)
        names = {line.partition("=")[0] for line in log_of(spec).splitlines()}
        assert names - {"TMPDIR"} == {"ONLY", "PATH"}

    play(root, story, isolation=isolation)


def test_entry_runs_in_a_fresh_interpreter_without_a_family(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        call = Entry("subprocess:call", {"args": ["sh", "-c", "cat /opt/ml/input/data/train/part"]})
        if isolation == "process":
            call = Entry("subprocess:call", {"args": ["cat", "/opt/ml/input/data/train/part"]})
        spec = bench.job("entry", Member("algo-1", entry=call))
        ended = await bench.run(spec)
        assert (ended.exit_code, log_of(spec)) == (0, "original")

    play(root, story, isolation=isolation)


def test_stop_sends_sigterm_and_keeps_the_exit_code(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        script = (
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
            "print('ready'); time.sleep(60)"
        )
        archive = Archive("model.tar.gz", ("ml-algo-1/model",))
        spec = bench.job("stop", python(script), archives=(archive,))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        assert handle.phase is Phase.RUNNING
        handle.stop(grace_s=30)
        ended = await handle.wait()
        assert (ended.reason, ended.exit_code) == (Reason.STOPPED, 9)
        assert ended.archives["model.tar.gz"] is not None

    play(root, story, isolation=isolation)


def test_stop_kills_after_the_grace_period(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("stubborn", shell("trap '' TERM; echo ready; while :; do sleep 1; done"))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        handle.stop(grace_s=0.2)
        ended = await handle.wait()
        assert (ended.reason, ended.members[0].signal) == (Reason.STOPPED, signal.SIGKILL)

    play(root, story, isolation=isolation)


def test_kill_ends_at_once_without_archives(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        archive = Archive("model.tar.gz", ("ml-algo-1/model",))
        spec = bench.job("kill", shell("trap '' TERM; echo ready; sleep 60"), archives=(archive,))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        ended = await handle.kill()
        assert (ended.reason, ended.archives) == (Reason.STOPPED, {})

    play(root, story, isolation=isolation)


@pytest.mark.parametrize("text", ['{"grace_s": 5, "archive": true}', ""])
def test_stop_file_works_without_a_server(root: Path, text: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("file", shell("echo ready; sleep 60"))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        Path(spec.directory, "stop.json").write_text(text)
        ended = await handle.wait()
        assert (ended.reason, ended.members[0].signal) == (Reason.STOPPED, signal.SIGTERM)

    play(root, story)


def test_deadline_terminates_then_kills(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        script = "trap 'echo asked' TERM; while :; do sleep 0.05; done"
        spec = bench.job("deadline", shell(script), max_runtime_s=0.3, grace_s=0.3)
        ended = await bench.run(spec)
        assert (ended.reason, ended.members[0].signal) == (Reason.DEADLINE, signal.SIGKILL)
        assert log_of(spec) == "asked\n"

    play(root, story, isolation=isolation)


def test_orphans_of_the_worker_end_with_it(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        await bench.forgo_groups()
        spec = bench.job("orphans", shell("(setsid sleep 60 &) ; (sleep 60 &) ; exit 0"))
        handle = await bench.start(spec)
        ended = await handle.wait()
        assert ended.exit_code == 0
        # The log is held open by every process of the job: none may be left.
        assert _holders_of(Path(spec.directory, "algo-1.log")) == []

    play(root, story, isolation=isolation)


def _holders_of(path: Path) -> list[str]:
    holders = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink() == path:
                holders.append(link.parts[2])
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return holders


def test_one_failing_host_ends_the_others(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("hosts", shell("sleep 60", "algo-1"), shell("exit 3", "algo-2"))
        ended = await bench.run(spec)
        assert (ended.reason, ended.failed_member, ended.exit_code) == (Reason.FAILED, "algo-2", 3)
        assert ended.members[0].signal == signal.SIGTERM

    play(root, story, isolation=isolation)


_SERVER = """
import os, socket
server = socket.create_server((socket.gethostname(), 0))
open("/opt/ml/shared/partial", "w").write(str(server.getsockname()[1]))
os.rename("/opt/ml/shared/partial", "/opt/ml/shared/port")
connection, _ = server.accept()
print(connection.recv(9).decode())
"""
_CLIENT = """
import os, socket, time
while not os.path.exists("/opt/ml/shared/port"):
    time.sleep(0.01)
connection = socket.create_connection(("algo-1", int(open("/opt/ml/shared/port").read())))
connection.send(socket.gethostname().encode())
"""


@pytest.mark.parametrize("network", [True, False])
def test_hosts_reach_each_other_by_name(root: Path, sandboxed: str, network: bool) -> None:
    async def story(bench: Workbench) -> None:
        shared = root / "shared"
        shared.mkdir()
        mounts = (Mount(str(shared), "/opt/ml/shared", Access.READ_WRITE),)
        server = python(_SERVER, "algo-1", mounts=mounts)
        client = python(_CLIENT, "algo-2", mounts=mounts)
        spec = bench.job("peers", server, client, network=network)
        ended = await bench.run(spec)
        assert ended.reason is Reason.COMPLETED, log_of(spec) + log_of(spec, "algo-2")
        assert log_of(spec) == "algo-2\n"

    play(root, story, isolation=sandboxed)


def test_second_start_in_the_same_directory_is_refused(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("twice", shell("sleep 60"))
        await bench.start(spec)
        with pytest.raises(StartError, match="was started before"):
            await bench.supervisor.start(spec)

    play(root, story)


def test_second_shim_in_the_same_directory_is_refused(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("locked", shell("sleep 60"))
        await bench.start(spec)
        Path(spec.directory, "shim.json").unlink()
        with pytest.raises(StartError, match="another process carries"):
            await bench.supervisor.start(spec)

    play(root, story)


def test_contradictory_spec_is_refused(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        with pytest.raises(ConfigurationError, match="either argv or entry"):
            await bench.start(bench.job("neither", Member("algo-1")))
        with pytest.raises(ConfigurationError, match="distinct names"):
            await bench.start(bench.job("none"))

    play(root, story)


def test_wait_may_be_called_by_many(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        handle = await bench.start(bench.job("many", shell("exit 4")))
        fates = await asyncio.gather(*(handle.wait() for _ in range(3)))
        assert [fate.exit_code for fate in fates] == [4, 4, 4]

    play(root, story)


_PONG = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("/opt/ml/run/server.sock")
server.listen()
while True:
    connection, _ = server.accept()
    if connection.recv(100) == b"ping":
        connection.sendall(b"pong and more")
    connection.close()
"""


def test_wait_ready_sees_the_server_answer_behind_a_long_path(root: Path, sandboxed: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("server" + "-long" * 20, python(_PONG))
        place = Path(spec.directory, "ml-algo-1/run")
        place.mkdir()
        handle = await bench.start(spec)
        socket_path = str(place / "server.sock")
        assert len(socket_path) > 107
        assert await handle.wait_ready(Readiness(socket_path, b"ping", b"pong"), 30)
        assert not await handle.wait_ready(Readiness(socket_path, b"pang", b"pong"), 0.1)

    play(root, story, isolation=sandboxed)


def test_wait_ready_ends_when_the_server_does(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("dies", shell("exit 1"))
        handle = await bench.start(spec)
        missing = Readiness(str(root / "none.sock"), b"ping", b"pong")
        assert not await handle.wait_ready(missing, 50)

    play(root, story)
