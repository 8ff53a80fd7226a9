"""What tests do to a server beside AWS's interface: its clock, its faults, its sudden end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from typing import Any

from sagebrush.launch import PrivateServer


def control(server: PrivateServer, page: str, method: str = "POST", **wanted: Any) -> Any:
    """Return what one of the server's own pages answers."""
    request = urllib.request.Request(
        f"{server.endpoint}/_sagebrush/{page}",
        json.dumps(wanted).encode(),
        {"content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def clock(server: PrivateServer, **move: Any) -> Any:
    """Move the clock and return what it says then; without a move, only that."""
    if move:
        return control(server, "clock", **move)
    with urllib.request.urlopen(f"{server.endpoint}/_sagebrush/clock", timeout=60) as answer:
        return json.load(answer)


def crash(server: PrivateServer) -> None:
    """Kill the server and start it again on the same data."""
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    server.start()


def told(server: PrivateServer, *words: str, code: int = 0) -> str:
    """Return what a command of the command line prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAGEBRUSH_")}
    finished = subprocess.run(
        [sys.executable, "-m", "sagebrush", *words, "--data", str(server.data)],
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == code, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr
