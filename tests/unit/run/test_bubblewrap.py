"""The sandbox through bubblewrap, where it is installed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from sagebrush.run import bubblewrap, sandbox
from sagebrush.run.families import Family
from sagebrush.run.records import Reason
from sagebrush.run.spec import Archive, Entry, Member, Mount

from .conftest import Workbench, log_of, play, python, shell, written

pytestmark = pytest.mark.skipif(not bubblewrap.available(), reason="bubblewrap is not installed")
_BWRAP = sandbox.BUBBLEWRAP


def test_job_sees_its_own_files_only(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        (root / "secret").write_text("hush")
        had = sorted(path.name for path in Path("/opt").iterdir())
        script = (
            f"cat {root}/secret; cat /opt/ml/input/data/train/part; ls /opt; hostname;"
            f"touch /etc/{root.name} /opt/ml/input/data/train/x; touch /opt/ml/model/m /tmp/t;"
            "exit 4"
        )
        archive = Archive("model.tar.gz", ("ml-algo-1/model",))
        spec = bench.job("files", shell(script), archives=(archive,))
        ended = await bench.run(spec)
        log = log_of(spec)
        assert (ended.reason, ended.exit_code) == (Reason.FAILED, 4), log
        assert "hush" not in log
        assert "original" in log
        assert {*had, "ml", "algo-1"} <= set(log.replace("original", "").split())
        assert log.count("Read-only file system") == 2
        assert Path(spec.directory, "ml-algo-1/model/m").exists()
        assert sorted(path.name for path in Path("/opt").iterdir()) == had

    play(root, story, isolation=_BWRAP)


def test_stop_reaches_the_program(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        script = (
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
            "print('ready'); time.sleep(60)"
        )
        spec = bench.job("stop", python(script))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        handle.stop(grace_s=30)
        ended = await handle.wait()
        assert (ended.reason, ended.exit_code) == (Reason.STOPPED, 9)

    play(root, story, isolation=_BWRAP)


def test_kill_and_signals_are_told(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job("stubborn", shell("trap '' TERM; echo ready; while :; do sleep 1; done"))
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        handle.stop(grace_s=0.1)
        ended = await handle.wait()
        assert ended.members[0].signal == signal.SIGKILL
        crashed = await bench.run(bench.job("segv", shell("kill -SEGV $$")))
        assert crashed.members[0].signal == signal.SIGSEGV

    play(root, story, isolation=_BWRAP)


def test_no_network(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        script = (
            "import socket\n"
            "try: socket.create_connection(('192.0.2.1', 80), 5)\n"
            "except OSError as error: print(error.strerror)"
        )
        spec = bench.job("isolated", python(script), network=False)
        await bench.run(spec)
        assert log_of(spec) == "Network is unreachable\n"

    play(root, story, isolation=_BWRAP)


def test_entry_of_a_family_starts_cold(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        program = root / "program.py"
        program.write_text("import sys; print(sys.argv); sys.exit(5)")
        entry = Entry("runpy:run_path", {"path_name": "/opt/ml/program.py"})
        member = Member("algo-1", entry=entry, mounts=(Mount(str(program), "/opt/ml/program.py"),))
        ended = await bench.run(bench.job("cold", member, family="plain"))
        assert ended.exit_code == 5
        assert bench.supervisor.zygotes.status() == {}

    play(root, story, isolation=_BWRAP, families={"plain": Family("plain", ("json",))})
