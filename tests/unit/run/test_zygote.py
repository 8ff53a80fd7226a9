"""Preloaded parents: what they load, that their children are sound, that they come back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sagebrush.run import threads, zygote
from sagebrush.run.families import Family, StartError, clean_environment
from sagebrush.run.records import Exit, Reason
from sagebrush.run.spec import Entry, Member, Mount
from sagebrush.run.supervisor import Supervisor

from .conftest import Workbench, log_of, play, shell, written

_PLAIN = {"plain": Family("plain", ("json",))}


def test_load_tells_missing_from_optional() -> None:
    failures = zygote.load(["json", "?no_such_module", "no_such_module.part", "?email.nothing"])
    assert set(failures) == {"no_such_module.part", "email.nothing"}


def test_load_can_keep_an_optional_dependency_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "try:\n    import {0}dear\n    HAS = True\nexcept ImportError:\n    HAS = False\n"
    (tmp_path / "zygote_test_dear.py").touch()
    (tmp_path / "zygote_test_user.py").write_text(text.format("zygote_test_"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert zygote.load(["zygote_test_user", "!zygote_test_dear"]) == {}
    assert sys.modules["zygote_test_user"].HAS is False
    import_module("zygote_test_dear")


def test_load_takes_whole_packages() -> None:
    sys.modules.pop("json.tool", None)
    assert zygote.load(["json.*"]) == {}
    assert "json.tool" in sys.modules


def test_libraries_are_loaded_to_spin_briefly() -> None:
    pytest.importorskip("xgboost")
    ours, theirs = socket.socketpair()
    environment = clean_environment(str(Path(zygote.__file__).parents[2]))
    with ours, theirs:
        parent = subprocess.Popen(
            [sys.executable, "-m", "sagebrush.run.zygote", "xgboost"],
            env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},
            stdin=theirs,
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        assert json.loads(ours.makefile().readline())["failures"] == {}
    told = parent.communicate(timeout=30)[1]
    found = re.findall(r"GOMP_SPINCOUNT = '(\w+)'", told)
    assert found, "XGBoost is not loaded with GNU's OpenMP"
    assert set(found) == {threads.BRIEF_WAITS["GOMP_SPINCOUNT"]}


def test_entry_is_called_in_a_fork(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        program = root / "program.py"
        program.write_text(
            "import json, os, sys\n"
            "print(json.__name__, sys.argv, sorted(os.environ), end='')\n"
            "sys.exit(5)"
        )
        mounts = (Mount(str(program), "/opt/ml/program.py"),)
        entry = Entry("runpy:run_path", {"path_name": "/opt/ml/program.py"})
        member = Member("algo-1", entry=entry, mounts=mounts, environment={"A": "1"})
        spec = bench.job("fork", member, family="plain")
        ended = await bench.run(spec)
        assert ended.exit_code == 5, log_of(spec)
        log = log_of(spec)
        assert log.startswith("json [")
        assert "'A', 'PATH'" in log
        assert "OMP_NUM_THREADS" not in log

    play(root, story, isolation=isolation, families=_PLAIN)


def test_exception_of_an_entry_is_in_the_log(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        member = Member("algo-1", entry=Entry("json:loads", {"s": "{"}))
        spec = bench.job("raises", member, family="plain")
        ended = await bench.run(spec)
        assert (ended.reason, ended.exit_code) == (Reason.FAILED, 1)
        assert "JSONDecodeError" in log_of(spec)

    play(root, story, families=_PLAIN)


def test_death_of_the_parent_leaves_jobs_and_the_next_start_works(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        spec = bench.job(
            "first", shell("echo ready; read _ < /opt/ml/gate; exit 8"), family="plain"
        )
        gate = Path(spec.directory, "ml-algo-1/gate")
        os.mkfifo(gate)
        handle = await bench.start(spec)
        await written(Path(spec.directory, "algo-1.log"), "ready")
        first = bench.supervisor.zygotes.status()["plain"]["pid"]
        os.kill(first, signal.SIGKILL)
        second = await bench.run(bench.job("second", shell("exit 2"), family="plain"))
        assert second.exit_code == 2
        assert bench.supervisor.zygotes.status()["plain"]["pid"] != first
        with gate.open("w") as writer:
            writer.write("go\n")
        ended = await handle.wait()
        assert isinstance(ended, Exit)
        assert ended.exit_code == 8

    play(root, story, families=_PLAIN, isolation=None)


def test_answer_to_a_cancelled_start_is_not_taken_for_the_next(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        await bench.supervisor.prewarm("plain")
        zygote = await bench.supervisor._zygote("plain")
        # What is left of a caller that was cancelled while it waited: a request.
        zygote._writer.write(json.dumps({"directory": str(root / "nothing")}).encode() + b"\n")
        ended = await bench.run(bench.job("second", shell("exit 2"), family="plain"))
        assert ended.exit_code == 2

    play(root, story, families=_PLAIN)


def test_idle_parent_is_retired(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        await bench.supervisor.prewarm("plain")
        pid = bench.supervisor.zygotes.status()["plain"]["pid"]
        while bench.supervisor.zygotes.status():
            await asyncio.sleep(0.01)
        while Path("/proc", str(pid)).exists():
            await asyncio.sleep(0.01)
        ended = await bench.run(bench.job("later", shell("exit 3"), family="plain"))
        assert ended.exit_code == 3

    play(root, story, families=_PLAIN, idle_parent_s=0.05)


def test_parent_that_cannot_start_says_where_to_look(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        with pytest.raises(StartError, match=r"broken\.log"):
            await bench.supervisor.prewarm("broken")

    play(root, story, families={"broken": Family("broken", ("os._nothing_here_.*",))})


def test_family_of_another_interpreter(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        other = bench.root / "other" / "bin" / "python"
        other.parent.mkdir(parents=True)
        other.symlink_to(os.path.realpath(sys.executable))
        bench.supervisor.add_family(Family("other", ("json",), str(other)))
        spec = bench.job("other", Member("algo-1", entry=Entry("platform:main")), family="other")
        await bench.run(spec)
        running = Path(f"/proc/{bench.supervisor.zygotes.status()['other']['pid']}/cmdline")
        assert running.read_bytes().startswith(str(other).encode())

    play(root, story, families=_PLAIN)


def test_python_path_holds_this_package_only(tmp_path: Path) -> None:
    path = Path(Supervisor(tmp_path / "run").python_path)
    assert [entry.name for entry in path.iterdir()] == ["sagebrush"]
    assert (path / "sagebrush" / "run" / "zygote.py").exists()


_TRAIN = """
import os, sys, time
import io
import numpy, pyarrow, pyarrow.csv, pyarrow.parquet, xgboost
rows = numpy.random.default_rng(0).random((4000, 10))
booster = xgboost.train({"nthread": 2}, xgboost.DMatrix(rows, rows.sum(axis=1), nthread=2), 5)
default = xgboost.train({}, xgboost.DMatrix(rows, rows.sum(axis=1)), 2)
product = rows @ rows.T
print(len(booster.get_dump()), abs(product[0, 0] - (rows[0] ** 2).sum()) < 1e-9)
print(len(os.listdir("/proc/self/task")) > 1)
table = pyarrow.csv.read_csv(io.BytesIO(b"a,b\\n" + b"1,2\\n" * 300_000))
pyarrow.parquet.write_table(table, "/tmp/table")
print(pyarrow.parquet.read_table("/tmp/table", use_threads=True).equals(table), pyarrow.cpu_count())
print(numpy.random.random())
"""


def test_scientific_libraries_compute_with_threads_in_a_fork(root: Path) -> None:
    pytest.importorskip("xgboost")
    families = {
        "science": Family("science", ("numpy", "scipy.sparse", "pyarrow.parquet", "xgboost"))
    }

    async def story(bench: Workbench) -> None:
        program = root / "train.py"
        program.write_text(_TRAIN)
        draws = set()
        for name in ("a", "b"):
            spec = bench.job(name, _program(program), family="science")
            ended = await bench.run(spec)
            lines = log_of(spec).splitlines()
            assert (ended.exit_code, lines[:3]) == (0, ["5 True", "True", "True 2"]), lines
            draws.add(lines[3])
        assert len(draws) == 2

    play(root, story, families=families)


def _program(path: Path) -> Member:
    # A dictionary of globals comes back, which is no exit code: let the program end itself.
    path.write_text(path.read_text() + "\nsys.exit(0)\n")
    entry = Entry("runpy:run_path", {"path_name": "/opt/ml/program.py"})
    return Member(
        "algo-1", entry=entry, mounts=(Mount(str(path), "/opt/ml/program.py"),), threads=2
    )
