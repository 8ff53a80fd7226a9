"""Jobs in fresh directories, under every isolation this machine offers."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.run import limits, sandbox
from sagebrush.run.facilities import Facilities
from sagebrush.run.records import Exit
from sagebrush.run.spec import Access, Member, Mount, ProcessSpec
from sagebrush.run.supervisor import Handle, Lost, Supervisor


class Workbench:
    """One supervisor and the jobs started with it."""

    def __init__(self, root: Path, isolation: str | None = None, **options: Any) -> None:
        self.root = root
        self.supervisor = Supervisor(root / "run", isolation=isolation, **options)
        self.started: list[Handle] = []

    def job(self, name: str, *members: Member, **fields: Any) -> ProcessSpec:
        """Return a spec whose members have /opt/ml and a training channel holding one file."""
        directory = self.root / "jobs" / name
        mounted = tuple(self._mounted(directory, member) for member in members)
        return ProcessSpec(
            name, str(directory), mounted, hidden=(str(self.root),), **{"grace_s": 5.0, **fields}
        )

    def _mounted(self, directory: Path, member: Member) -> Member:
        tree = directory / f"ml-{member.name}"
        channel = tree / "input/data/train"
        channel.mkdir(parents=True)
        (channel / "part").write_text("original")
        (tree / "model").mkdir()
        mounts = (
            Mount(str(tree), "/opt/ml", Access.READ_WRITE),
            Mount(str(channel), "/opt/ml/input/data/train", Access.COPY_ON_WRITE),
            *member.mounts,
        )
        environment = {"PATH": os.environ["PATH"], **member.environment}
        return dataclasses.replace(member, mounts=mounts, environment=environment)

    async def forgo_groups(self) -> None:
        """Start later jobs without control groups, whose removal ends stray processes, too."""
        found = await self.supervisor.facilities()
        self.supervisor._facilities = dataclasses.replace(found, limiter=limits.NONE)

    async def start(self, spec: ProcessSpec) -> Handle:
        handle = await self.supervisor.start(spec)
        self.started.append(handle)
        return handle

    async def run(self, spec: ProcessSpec) -> Exit:
        ended = await (await self.start(spec)).wait()
        assert isinstance(ended, Exit), ended
        return ended

    async def close(self) -> None:
        for handle in self.started:
            if handle.alive:
                await handle.kill()
        await self.supervisor.close()


def shell(script: str, name: str = "algo-1", **fields: Any) -> Member:
    """Return a member that runs a shell script."""
    return Member(name, argv=("/bin/sh", "-c", script), **fields)


def python(script: str, name: str = "algo-1", **fields: Any) -> Member:
    """Return a member that runs a Python program, unbuffered."""
    return Member(name, argv=(sys.executable, "-uS", "-c", script), **fields)


def log_of(spec: ProcessSpec, member: str = "algo-1") -> str:
    """Return everything a member has written."""
    return Path(spec.directory, f"{member}.log").read_text()


async def written(path: Path, text: str) -> None:
    """Return once `text` stands in the file; the caller sets the time limit."""
    while not path.exists() or text not in path.read_text():
        await asyncio.sleep(0.01)


def play(root: Path, story: Callable[[Workbench], Awaitable[None]], **options: Any) -> None:
    """Run `story` with a workbench, for a minute at most, and end what it started."""

    async def scene() -> None:
        bench = Workbench(root, **options)
        try:
            async with asyncio.timeout(60):
                await story(bench)
        finally:
            await bench.close()

    asyncio.run(scene())


@pytest.fixture
def root() -> Iterator[Path]:
    # Not tmp_path: its name is long, and the sandbox covers /tmp, which is worth testing.
    with tempfile.TemporaryDirectory(prefix="sagebrush-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def facilities() -> Facilities:
    """What this machine offers."""

    async def find() -> Facilities:
        with tempfile.TemporaryDirectory() as name:
            return await Supervisor(Path(name)).facilities()

    return asyncio.run(find())


@pytest.fixture(params=[sandbox.NAMESPACES, sandbox.USER_NAMESPACES, sandbox.PROCESS])
def isolation(request: pytest.FixtureRequest, facilities: Facilities) -> str:
    """Each isolation; skipped where the machine refuses it."""
    wanted = str(request.param)
    if wanted == sandbox.NAMESPACES and facilities.isolation != wanted:
        pytest.skip(f"needs root: {facilities.reasons}")
    if wanted == sandbox.USER_NAMESPACES and facilities.isolation == sandbox.PROCESS:
        pytest.skip(f"no user namespaces: {facilities.reasons}")
    return wanted


@pytest.fixture
def sandboxed(isolation: str) -> str:
    """Each isolation that is a sandbox."""
    if isolation == sandbox.PROCESS:
        pytest.skip("a plain process has no sandbox")
    return isolation


__all__ = ["Exit", "Lost", "Workbench", "log_of", "play", "python", "shell", "written"]
