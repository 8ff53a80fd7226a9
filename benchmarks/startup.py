"""Start to ready, idle memory, first request; peer: moto_server."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

from benchmarks.peers import environment, free_port, process, tree_memory_bytes, wait_for

_RUNS = 5


def run() -> dict[str, Any]:
    """Measure both and print the ratios."""
    ours = _measure(_sagebrush)
    moto = environment("moto") / "moto_server"
    theirs = _measure(lambda port, _folder: [moto, "-H", "127.0.0.1", "-p", str(port)])
    for name, unit in (("ready_s", "s"), ("first_request_s", "s"), ("memory_mb", "MB")):
        ratio = theirs[name] / ours[name]
        print(
            f"   {name:<16} sagebrush {ours[name]:.2f} {unit}, moto_server {theirs[name]:.2f}"
            f" {unit}: {ratio:.1f} times less"
        )
    return {"sagebrush": ours, "moto_server": theirs}


def _sagebrush(port: int, folder: Path) -> list[str | Path]:
    return [sys.executable, "-m", "sagebrush", "up", "--port", str(port), "--data", folder / "data"]


def _measure(command: Any) -> dict[str, float]:
    ready, first, memory = [], [], []
    for number in range(_RUNS + 1):
        with tempfile.TemporaryDirectory() as name:
            folder, port = Path(name), free_port()
            log = folder / "log"
            with process(command(port, folder), log) as child:
                ready_s = wait_for(f"http://127.0.0.1:{port}/", child, log)
                time.sleep(1.0)
                memory_mb = tree_memory_bytes(child.pid) / 1e6
                first_s = _first_request(port)
                # The first run fills file caches and, for us, the cache of service models.
                if number:
                    ready.append(ready_s)
                    first.append(first_s)
                    memory.append(memory_mb)
    return {
        "ready_s": statistics.median(ready),
        "first_request_s": statistics.median(first),
        "memory_mb": statistics.median(memory),
    }


def _first_request(port: int) -> float:
    client = boto3.client(
        "sagemaker",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    started = time.perf_counter()
    client.list_training_jobs()
    return time.perf_counter() - started
