"""S3 PUT and GET at 1 KiB, 1 MiB and 256 MiB; peers: moto_server, ministack, the disk itself."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import PeerError, environment, free_port, process, wait_for

_SIZES = {"1 KiB": (1 << 10, 400), "1 MiB": (1 << 20, 60), "256 MiB": (256 << 20, 2)}
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host,"
    " Signature=0"
)
_HEADERS = {"authorization": _AUTHORIZATION, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}


def run() -> dict[str, Any]:
    """Measure every server one after the other and print megabytes or requests per second."""
    servers: dict[str, Callable[[int, Path], list[str | Path]]] = {
        "sagebrush": lambda port, folder: [
            *(sys.executable, "-m", "sagebrush", "up", "--port", str(port)),
            *("--data", folder / "data"),
        ],
        "moto_server": lambda port, _folder: [
            *(environment("moto") / "moto_server", "-H", "127.0.0.1", "-p", str(port))
        ],
        "ministack": lambda _port, _folder: [environment("ministack") / "ministack"],
    }
    results: dict[str, Any] = {"limits": _limits()}
    for name, command in servers.items():
        try:
            results[name] = _measure(command)
        except (PeerError, OSError, http.client.HTTPException) as error:
            print(f"   {name}: not measured: {error}")
            results[name] = {"not_measured": str(error)}
    _print(results)
    return results


def _measure(command: Callable[[int, Path], list[str | Path]]) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        log = folder / "log"
        variables = {"GATEWAY_PORT": str(port), "PORT": str(port), "EDGE_PORT": str(port)}
        with process(command(port, folder), log, **variables) as child:
            wait_for(f"http://127.0.0.1:{port}/", child, log)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            _call(connection, "PUT", "/bench", b"")
            return {
                size: {
                    "put_per_s": _rate(connection, "PUT", "/bench/k", os.urandom(length), count),
                    "get_per_s": _rate(connection, "GET", "/bench/k", b"", count),
                }
                for size, (length, count) in _SIZES.items()
            }


def _rate(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes, count: int
) -> float:
    _call(connection, method, path, body)
    started = time.perf_counter()
    for _ in range(count):
        _call(connection, method, path, body)
    return count / (time.perf_counter() - started)


def _call(connection: http.client.HTTPConnection, method: str, path: str, body: bytes) -> None:
    connection.request(method, path, body if method == "PUT" else None, _HEADERS)
    answer = connection.getresponse()
    while answer.read(1 << 20):
        pass
    if answer.status >= 300:
        raise PeerError(f"{method} {path} answered {answer.status}")


def _limits() -> dict[str, float]:
    """Return what no server can pass at 256 MiB: the disk's write rate and MD5, times a second."""
    body = os.urandom(64 << 20)
    with tempfile.NamedTemporaryFile() as file:
        started = time.perf_counter()
        for _ in range(4):
            file.write(body)
        file.flush()
        write_s = time.perf_counter() - started
    started = time.perf_counter()
    for _ in range(4):
        hashlib.md5(body, usedforsecurity=False)
    md5_s = time.perf_counter() - started
    return {"file_write_per_s": 1 / write_s, "md5_per_s": 1 / md5_s}


def _print(results: dict[str, Any]) -> None:
    ours = results["sagebrush"]
    for size in _SIZES:
        for operation in ("put", "get"):
            rate = ours[size][f"{operation}_per_s"]
            text = f"   {operation.upper()} {size:<8} sagebrush {rate:.1f}/s"
            for peer in ("moto_server", "ministack"):
                if size in results[peer]:
                    other = results[peer][size][f"{operation}_per_s"]
                    text += f", {peer} {other:.1f}/s ({rate / other:.1f} times)"
            print(text)
    limits = results["limits"]
    print(
        f"   at 256 MiB a plain file write does {limits['file_write_per_s']:.1f}/s,"
        f" MD5 alone {limits['md5_per_s']:.1f}/s"
    )
