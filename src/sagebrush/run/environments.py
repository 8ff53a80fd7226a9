"""Python environments of their own, for code that needs other packages than the running ones.

`<directory>/<name>-<hash of interpreter and requirements>/` is a virtual environment; it counts
once its marker file, written last, is there. A build that was cut off is thrown away by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sagebrush.base.errors import ConfigurationError, SagebrushError

Progress = Callable[[str], None]

_MARKER = "sagebrush-environment.json"
_LOCK_POLL_S = 0.1
_SHOWN_LINES = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class BuildError(SagebrushError):
    """An environment could not be built; the message ends with what the installer said last."""


@dataclass(frozen=True)
class Installed:
    """A finished environment. `built_at` is epoch seconds; `python` its interpreter's path."""

    name: str
    requirements: tuple[str, ...]
    path: str
    python: str
    python_version: str
    built_at: float


class Environments:
    """The environments under one directory, shared by any number of processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()

    def find(self, name: str, requirements: tuple[str, ...]) -> Path | None:
        """Return the interpreter of a finished environment, or None. No requirements: our own."""
        if not requirements:
            return Path(sys.executable)
        for version in _known_versions():
            installed = _read_marker(self._path(name, requirements, version))
            if installed is not None:
                return Path(installed.python)
        return None

    async def ensure(
        self,
        name: str,
        requirements: tuple[str, ...],
        progress: Progress,
        python_versions: tuple[str, ...] = (),
    ) -> Path:
        """Return the interpreter of the environment, built first if it is not there.

        `progress` gets the installer's lines. `python_versions` (`"3.11"`) are those the
        requirements support, all if empty; the running one is preferred. Raises BuildError when the
        installer fails and ConfigurationError when no fitting interpreter is on this machine.
        """
        found = self.find(name, requirements)
        if found is not None:
            return found
        interpreter, version = _choose_interpreter(python_versions)
        path = self._path(name, requirements, version)
        self.directory.mkdir(parents=True, exist_ok=True)
        async with _locked(path.with_name(f"{path.name}.lock"), progress):
            installed = _read_marker(path)
            if installed is None:
                installed = await _build(path, name, requirements, (interpreter, version), progress)
        return Path(installed.python)

    def list(self) -> list[Installed]:
        """Return the finished environments by name."""
        if not self.directory.is_dir():
            return []
        found = (_read_marker(path) for path in self.directory.iterdir() if path.is_dir())
        return sorted((item for item in found if item is not None), key=lambda item: item.path)

    def remove(self, name: str) -> int:
        """Remove every environment called `name`; return how many there were."""
        doomed = [item for item in self.list() if item.name == name]
        for item in doomed:
            # Without its marker it is gone for everyone, even if the removal is cut off.
            Path(item.path, _MARKER).unlink()
            shutil.rmtree(item.path)
        return len(doomed)

    def _path(self, name: str, requirements: tuple[str, ...], version: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} is no name for an environment")
        identity = json.dumps([sys.platform, os.uname().machine, version, sorted(requirements)])
        return self.directory / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _running_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _known_versions() -> list[str]:
    return list(dict.fromkeys([_running_version(), *(f"3.{minor}" for minor in range(8, 20))]))


def _choose_interpreter(versions: tuple[str, ...]) -> tuple[str, str]:
    running = _running_version()
    if not versions or running in versions:
        return sys.executable, running
    for version in versions:
        path = shutil.which(f"python{version}")
        if path is not None:
            return path, version
    raise ConfigurationError(
        f"needs Python {' or '.join(versions)}; this is {running} and no other is on PATH"
    )


def _read_marker(path: Path) -> Installed | None:
    try:
        raw = json.loads((path / _MARKER).read_bytes())
    except FileNotFoundError:
        return None
    return Installed(**{**raw, "requirements": tuple(raw["requirements"])})


@contextlib.asynccontextmanager
async def _locked(path: Path, progress: Progress) -> AsyncIterator[None]:
    """Hold the lock of one environment; the kernel gives it back if we die."""
    with path.open("ab") as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress("Waiting for another process that builds this environment")
                    told = True
                await asyncio.sleep(_LOCK_POLL_S)
        yield


async def _build(
    path: Path,
    name: str,
    requirements: tuple[str, ...],
    interpreter: tuple[str, str],
    progress: Progress,
) -> Installed:
    executable, version = interpreter
    if path.exists():
        shutil.rmtree(path)
    python = path / "bin" / "python"
    progress(f"Building the environment {name}: {', '.join(requirements)}")
    await _run([executable, "-m", "venv", str(path)], progress)
    install = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    await _run([str(python), *install, "--progress-bar", "off", *requirements], progress)
    installed = Installed(name, requirements, str(path), str(python), version, time.time())
    partial = path / f"{_MARKER}.partial"
    partial.write_text(json.dumps(asdict(installed)))
    partial.replace(path / _MARKER)
    progress(f"The environment {name} is ready")
    return installed


async def _run(command: list[str], progress: Progress) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    last: list[str] = []
    try:
        async for line in _output_lines(process):
            progress(line)
            last = [*last, line][-_SHOWN_LINES:]
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise BuildError(f"{' '.join(command)} ended with {code}: " + " | ".join(last))


async def _output_lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    async for line in process.stdout:
        yield line.decode(errors="replace").rstrip()
