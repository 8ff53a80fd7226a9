"""The peers: each in an environment of its own under `.envs`, made on first use."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LISTED = ROOT / "benchmarks" / "algorithm_tasks" / "requirements.txt"
REQUIREMENTS = {
    "moto": ("moto[server,s3,sagemaker]",),
    "ministack": ("ministack",),
    # With a newer uvloop MLServer's worker processes end at start.
    "mlserver": ("mlserver", "mlserver-xgboost", "xgboost-cpu", "uvloop<0.22"),
    "litserve": ("litserve", "xgboost-cpu"),
    "bentoml": ("bentoml", "xgboost-cpu"),
    # BoTorch through syne-tune; its quantile regression imports the three last ones.
    "tuning": (
        "optuna>=5",
        "syne-tune>=0.16",
        "torch",
        "botorch",
        "xgboost",
        "scikit-learn",
        "huggingface_hub",
        "fastparquet",
        "h5py",
    ),
    "algorithms": tuple(
        line for line in _LISTED.read_text("utf-8").split("\n") if line and line[0] != "#"
    ),
}
_START_LIMIT_S = 60.0


class PeerError(Exception):
    """A peer cannot be had here; the message says why. Its row says so, too."""


def environment(name: str) -> Path:
    """Return the folder of a peer's programs, installing what is not there.

    Raises:
        PeerError: the installer failed.
    """
    folder = ROOT / ".envs" / f"peer-{name}"
    marker = folder / ".installed"
    wanted = "\n".join(REQUIREMENTS[name])
    if not marker.exists() or marker.read_text("utf-8") != wanted:
        print(f"   installing {name}…", flush=True)
        if not (folder / "bin" / "pip").exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        installed = subprocess.run(
            [folder / "bin" / "pip", "install", "--quiet", *REQUIREMENTS[name]],
            capture_output=True,
            text=True,
            check=False,
        )
        if installed.returncode != 0:
            raise PeerError(f"{name} does not install: {installed.stderr.strip()[-300:]}")
        marker.write_text(wanted, "utf-8")
    return folder / "bin"


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(
    command: list[str | Path], log: Path, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own and end all of it afterwards."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=os.environ | variables,
            start_new_session=True,
            cwd=log.parent,
        )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> float:
    """Return the seconds until `url` answers anything.

    Raises:
        PeerError: the process ended, or nothing answered in time.
    """
    started = time.perf_counter()
    while time.perf_counter() - started < _START_LIMIT_S:
        if child.poll() is not None:
            raise PeerError(f"ended at start: {log.read_text('utf-8', 'replace')[-300:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return time.perf_counter() - started
        except urllib.error.HTTPError:
            return time.perf_counter() - started
        except OSError:
            time.sleep(0.002)
    raise PeerError(f"{url} did not answer: {log.read_text('utf-8', 'replace')[-300:]}")


def tree_memory_bytes(pid: int) -> int:
    """Return the proportional memory of a process and everything below it."""
    total = 0
    for member in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def descendants(pid: int) -> list[int]:
    """Return every process below `pid`."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found
