"""Ceilings as the kernel sees them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sagebrush.run import limits
from sagebrush.run.facilities import Facilities
from sagebrush.run.limits import Limits, group_of

from .conftest import Workbench, log_of, play, python


@pytest.fixture
def cgroup(facilities: Facilities) -> str:
    if not facilities.limiter.startswith("cgroup"):
        pytest.skip(f"no control groups: {facilities.reasons}")
    return facilities.limiter


def test_group_holds_the_limits_and_is_removed(cgroup: str) -> None:
    group = group_of(cgroup, "/test", str(os.getpid()), Limits(1 << 28, 0.5))
    assert isinstance(group, limits._ControlGroup)
    group.create()
    try:
        memory, cpu = group.directories[0], group.directories[-1]
        names = ("memory.max", "memory.limit_in_bytes")
        ceilings = [int((memory / name).read_text()) for name in names if (memory / name).exists()]
        assert ceilings == [1 << 28]
        quota = cpu / ("cpu.max" if cgroup == limits.CGROUP_V2 else "cpu.cfs_quota_us")
        assert quota.read_text().split()[0] == "50000"
    finally:
        group.remove()
    assert not any(directory.exists() for directory in group.directories)


def test_removing_a_group_ends_what_is_left_in_it(cgroup: str) -> None:
    group = group_of(cgroup, "/test-left", str(os.getpid()), Limits())
    group.create()
    child = os.fork()
    if child == 0:
        group.join()
        os.execv("/bin/sleep", ["sleep", "60"])
    joined = group.directories[0] / "cgroup.procs"  # type: ignore[attr-defined]
    while not joined.read_text():
        os.sched_yield()
    # Reaped as an orphan would be, so that the group empties.

    reaper = threading.Thread(target=os.waitpid, args=(child, 0))
    reaper.start()
    group.remove()
    reaper.join(timeout=10)
    assert not reaper.is_alive()


def test_one_name_per_member_of_a_job() -> None:
    groups = [
        group_of(limits.CGROUP_V1, directory, name, Limits()).directories  # type: ignore[attr-defined]
        for directory in ("/a", "/b")
        for name in ("algo-1", "algo-2")
        if Path("/sys/fs/cgroup/memory").is_dir()
    ]
    assert len({str(group) for group in groups}) == len(groups)


def test_rlimits_turn_too_much_memory_into_an_error(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        bench.supervisor._facilities = Facilities("process", False, limits.RESOURCE_LIMITS, ())
        script = "try: bytearray(1 << 28)\nexcept MemoryError: print('refused')"
        spec = bench.job("rlimits", python(script), limits=Limits(memory_bytes=64 << 20))
        await bench.run(spec)
        assert log_of(spec) == "refused\n"

    play(root, story)


class _Hierarchy:
    """A directory tree shaped like the unified hierarchy of a machine under systemd."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        (root / "cgroup.controllers").write_text("cpu memory pids")
        monkeypatch.setattr(limits, "_ROOT", root)
        monkeypatch.setattr(limits, "_own_groups", lambda: {"": "/user.slice/app.slice/mine"})
        self.mine = self.add("user.slice/app.slice/mine", "")

    def add(self, path: str, hands_down: str) -> Path:
        directory = self.root / path
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.subtree_control").write_text(hands_down)
        return directory


def test_v2_group_lies_in_the_highest_that_hands_down_memory_and_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = _Hierarchy(tmp_path, monkeypatch)
    tree.add("user.slice", "cpu pids")
    app = tree.add("user.slice/app.slice", "cpu memory pids")
    group = group_of(limits.CGROUP_V2, "/job", "algo-1", Limits(1 << 30, 2.0))
    group.create()
    (directory,) = group.directories  # type: ignore[attr-defined]
    assert directory.parent == app
    assert (directory / "memory.max").read_text() == str(1 << 30)
    assert (directory / "cpu.max").read_text() == "200000 100000"
    group.join()
    assert (directory / "cgroup.procs").read_text() == "0"
    (directory / "memory.peak").write_text("12345\n")
    (directory / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert group.usage() == limits.Usage(12345, True)


def test_v2_is_refused_where_nothing_is_handed_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Hierarchy(tmp_path, monkeypatch)
    with pytest.raises(OSError, match="hands down"):
        group_of(limits.CGROUP_V2, "/job", "algo-1", Limits())
