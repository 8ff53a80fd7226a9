"""Environments: built once, found again, cut-off builds thrown away. Nothing is downloaded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sagebrush.base.errors import ConfigurationError
from sagebrush.run import environments
from sagebrush.run.environments import BuildError, Environments


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A package made here, as a wheel by the packaging specification."""
    path = tmp_path_factory.mktemp("wheels") / "tinything-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tinything.py", "ANSWER = 42\n")
        info = "tinything-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinything\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return str(path)


def test_ensure_builds_once_for_all_who_ask(tmp_path: Path, wheel: str) -> None:
    lines: list[str] = []

    async def story() -> list[Path]:
        first = Environments(tmp_path).ensure("tiny", (wheel,), lines.append)
        second = Environments(tmp_path).ensure("tiny", (wheel,), lines.append)
        return [*await asyncio.gather(first, second), Environments(tmp_path).find("tiny", (wheel,))]

    first, second, found = asyncio.run(story())
    assert first == second == found
    assert sum(line.startswith("Building the environment tiny") for line in lines) == 1
    assert sum(line.startswith("Waiting for another process") for line in lines) == 1
    answer = subprocess.run(
        [str(first), "-c", "import tinything; print(tinything.ANSWER)"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert answer.stdout == "42\n"
    (installed,) = Environments(tmp_path).list()
    assert (installed.name, installed.requirements) == ("tiny", (wheel,))
    assert Environments(tmp_path).remove("tiny") == 1
    assert Environments(tmp_path).list() == []
    assert Environments(tmp_path).find("tiny", (wheel,)) is None


def test_ensure_failure_tells_what_the_installer_said(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing-1.0-py3-none-any.whl")
    with pytest.raises(BuildError, match=r"missing-1\.0"):
        asyncio.run(Environments(tmp_path / "e").ensure("bad", (missing,), print))
    assert Environments(tmp_path / "e").list() == []
    assert Environments(tmp_path / "e").find("bad", (missing,)) is None


def test_ensure_throws_a_cut_off_build_away(
    tmp_path: Path, wheel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Environments(tmp_path)
    path = kept._path("tiny", (wheel,), environments._running_version())
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "rubbish").touch()
    commands: list[list[str]] = []

    async def pretend(command: list[str], progress: environments.Progress) -> None:
        path.mkdir(exist_ok=True)
        commands.append(command)

    monkeypatch.setattr(environments, "_run", pretend)
    asyncio.run(kept.ensure("tiny", (wheel,), print))
    assert not (path / "bin").exists()
    assert [command[2] for command in commands] == ["venv", "pip"]


def test_no_requirements_is_the_running_interpreter(tmp_path: Path) -> None:
    python = asyncio.run(Environments(tmp_path).ensure("base", (), print))
    assert python == Path(sys.executable)


def test_interpreter_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"needs Python 2\.6"):
        asyncio.run(Environments(tmp_path).ensure("old", ("x",), print, ("2.6",)))


def test_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no name"):
        Environments(tmp_path).find("../other", ("x",))
