"""Deaths at bad moments: of server, shim and member; too little memory; a full disk."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sagebrush.base.errors import StateError
from sagebrush.run.facilities import Facilities
from sagebrush.run.records import Exit, Reason, read_exit
from sagebrush.run.spec import Archive, Limits
from sagebrush.run.supervisor import Handle, Lost, Supervisor

from .conftest import Workbench, log_of, play, python, shell, written

_SERVER = """
import asyncio, sys, time
from pathlib import Path
from sagebrush.run.families import Family
from sagebrush.run.spec import ProcessSpec
from sagebrush.run.supervisor import Supervisor

async def main():
    families = {"plain": Family("plain", ("json",))}
    supervisor = Supervisor(Path(sys.argv[1]), families, isolation=sys.argv[3])
    await supervisor.start(ProcessSpec.from_json(Path(sys.argv[2]).read_bytes()))
    print("started", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def _start_in_other_server(bench: Workbench, spec: object, isolation: str) -> subprocess.Popen[str]:
    request = bench.root / "request.json"
    request.write_bytes(spec.to_json())  # type: ignore[attr-defined]
    command = [sys.executable, "-c", textwrap.dedent(_SERVER), str(bench.root / "other")]
    server = subprocess.Popen(
        [*command, str(request), isolation], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert server.stdout.readline() == "started\n"
    return server


@pytest.mark.parametrize("family", [None, "plain"])
def test_kill_of_the_server_leaves_the_job_to_be_adopted(
    root: Path, isolation: str, family: str | None
) -> None:
    async def story(bench: Workbench) -> None:
        gate = root / "jobs" / "survivor" / "ml-algo-1" / "gate"
        script = "echo before; while [ ! -e /opt/ml/gate ]; do sleep 0.02; done; echo after; exit 6"
        if isolation == "process":
            script = script.replace("/opt/ml/gate", str(gate))
        spec = bench.job("survivor", shell(script), family=family)
        server = _start_in_other_server(bench, spec, isolation)
        await written(Path(spec.directory, "algo-1.log"), "before")
        server.kill()
        server.wait()
        handle = Supervisor(root / "next").adopt(Path(spec.directory))
        assert isinstance(handle, Handle)
        bench.started.append(handle)
        assert handle.alive
        gate.touch()
        ended = await handle.wait()
        assert isinstance(ended, Exit)
        assert (ended.exit_code, log_of(spec)) == (6, "before\nafter\n")

    play(root, story, isolation=isolation)


def test_job_that_ended_meanwhile_is_adopted_as_its_exit(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("ended", shell("exit 6"))
        await bench.run(spec)
        ended = bench.supervisor.adopt(Path(spec.directory))
        assert isinstance(ended, Exit)
        assert ended.exit_code == 6

    play(root, story)


def test_job_never_started_cannot_be_adopted(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        with pytest.raises(StateError, match="no job was ever started"):
            bench.supervisor.adopt(root)

    play(root, story)


def test_kill_of_the_shim_ends_the_members_and_loses_the_job(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        await bench.forgo_groups()
        script = "trap '' TERM; echo $$; while :; do sleep 1; done"
        spec = bench.job("shimless", shell(script))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "\n")
        # The shim tells of its members after it has started them all.
        await written(Path(spec.directory, "shim.json"), '"algo-1"')
        members = json.loads(Path(spec.directory, "shim.json").read_text())["members"]
        os.kill(handle.record["pid"], signal.SIGKILL)
        assert isinstance(await handle.wait(), Lost)
        while _runs(members["algo-1"]):
            await asyncio.sleep(0.01)
        assert isinstance(bench.supervisor.adopt(Path(spec.directory)), Lost)

    play(root, story, isolation=isolation)


def test_deleted_directory_ends_the_job(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("deleted", shell("trap '' TERM; echo ready; sleep 60"))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        # The shim tells of its members after it has started them all.
        await written(Path(spec.directory, "shim.json"), '"algo-1"')
        members = json.loads(Path(spec.directory, "shim.json").read_text())["members"]
        shutil.rmtree(spec.directory)
        assert isinstance(await handle.wait(), Lost)
        while _runs(members["algo-1"]):
            await asyncio.sleep(0.01)

    play(root, story, isolation=isolation)


def _runs(pid: int) -> bool:
    """Return whether a process runs; a dead one may wait long to be reaped."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] not in "ZX"


def test_record_of_another_boot_is_lost(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("rebooted", shell("sleep 60"))
        await bench.start(spec)
        path = Path(spec.directory, "shim.json")
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "boot_id": "an earlier one"}))
        assert isinstance(bench.supervisor.adopt(Path(spec.directory)), Lost)

    play(root, story)


def test_reused_process_number_is_not_taken_for_the_shim(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("reused", shell("exit 0"))
        await bench.run(spec)
        Path(spec.directory, "exit.json").unlink()
        path = Path(spec.directory, "shim.json")
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "pid": os.getpid()}))
        assert isinstance(bench.supervisor.adopt(Path(spec.directory)), Lost)

    play(root, story)


def test_kill_of_a_member_from_outside_is_its_signal(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("shot", shell("echo ready; sleep 60"))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        # The shim tells of its members after it has started them all.
        await written(Path(spec.directory, "shim.json"), '"algo-1"')
        members = json.loads(Path(spec.directory, "shim.json").read_text())["members"]
        os.kill(members["algo-1"], signal.SIGKILL)
        ended = await handle.wait()
        assert isinstance(ended, Exit)
        assert (ended.reason, ended.exit_code) == (Reason.FAILED, 137)

    play(root, story, isolation=isolation)


def test_sigterm_of_a_machine_shutting_down_is_told_from_a_stop(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("shutdown", shell("echo ready; sleep 60"))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        os.kill(handle.record["pid"], signal.SIGTERM)
        ended = await handle.wait()
        assert isinstance(ended, Exit)
        assert ended.reason is Reason.INTERRUPTED

    play(root, story)


def test_memory_ceiling_ends_the_job_as_out_of_memory(
    root: Path, isolation: str, facilities: Facilities
) -> None:
    if not facilities.limiter.startswith("cgroup"):
        pytest.skip(f"no control groups: {facilities.reasons}")

    async def story(bench: Workbench) -> None:
        script = "b = []\nwhile True: b.append(bytes(1 << 22).replace(b'\\0', b'x'))"
        spec = bench.job("hungry", python(script), limits=Limits(memory_bytes=96 << 20))
        ended = await bench.run(spec)
        assert (ended.out_of_memory, ended.exit_code) == (True, 137)
        peak = ended.members[0].memory_peak_bytes
        assert peak is not None
        assert 64 << 20 < peak <= 96 << 20

    play(root, story, isolation=isolation)


def test_full_disk_does_not_lose_the_exit_record(root: Path, facilities: Facilities) -> None:
    if facilities.isolation != "namespaces":
        pytest.skip("needs root to mount a small disk")

    async def story(bench: Workbench) -> None:
        disk = root / "jobs" / "full"
        disk.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
        try:
            member = shell("head -c 10000000 /dev/zero > /opt/ml/big; exit 5")
            plan = Archive("model.tar.gz", ("ml-algo-1/model",))
            spec = bench.job("full", member, archives=(plan,))
            ended = await bench.run(spec)
            assert (ended.reason, ended.exit_code) == (Reason.FAILED, 5)
            assert "No space left" in log_of(spec) or log_of(spec) == ""
            assert read_exit(disk) == ended
        finally:
            subprocess.run(["umount", "-l", disk], check=True)

    play(root, story)
