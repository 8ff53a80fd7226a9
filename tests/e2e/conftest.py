"""Real clients against a running server: where their environments are, how they are led there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.launch import PrivateServer

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_S = 240

WAYS = ("proxy", "http", "https")


@pytest.fixture(scope="session")
def environments() -> Path:
    """Return the folder of the clients' environments; `make sdk-environments` builds them."""
    folder = ROOT / ".envs"
    assert folder.exists(), f"{folder} is missing: run `make sdk-environments`"
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """One server for all clients."""
    with PrivateServer() as running:
        yield running


@pytest.fixture(scope="session")
def client_variables(
    server: PrivateServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, str]]:
    """Return the environment that leads a client to the server in one of `WAYS`."""
    home = tmp_path_factory.mktemp("home")
    models = home / ".aws" / "models"
    models.mkdir(parents=True)
    port = server.endpoint.rpartition(":")[2]
    (models / "endpoints.json").write_text(_endpoints_overlay(f"localhost:{port}"), "utf-8")

    def variables(way: str) -> dict[str, str]:
        proxied = server.environment()
        if way == "proxy":
            return proxied
        direct = {
            name: value
            for name, value in proxied.items()
            if name.upper() not in ("HTTPS_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        }
        direct |= {"SAGEMAKER_VALIDATE_ROLE": "false"} if way == "http" else {}
        if way == "http":
            return direct | {"AWS_ENDPOINT_URL": server.endpoint}
        return direct | {
            "AWS_ENDPOINT_URL": f"https://localhost:{port}",
            "AWS_CA_BUNDLE": server.bundle,
            "REQUESTS_CA_BUNDLE": server.bundle,
            "HOME": str(home),
        }

    return variables


@pytest.fixture(scope="session")
def run_program(
    client_variables: Callable[[str], dict[str, str]], environments: Path
) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a program in a client's environment and gives its last line."""

    def run(environment: str, program: str, way: str = "proxy", **extra: str) -> dict[str, Any]:
        python = environments / environment / "bin" / "python"
        finished = subprocess.run(
            [python, PROGRAMS / program],
            env=client_variables(way) | extra,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
        answer: dict[str, Any] = json.loads(finished.stdout.strip().splitlines()[-1])
        return answer | {"stdout": finished.stdout, "stderr": finished.stderr}

    return run


def _endpoints_overlay(host: str) -> str:
    """Return botocore endpoint data that put STS, at its fixed https address, on `host`.

    botocore reads this file instead of its own from `~/.aws/models`.
    """
    import botocore

    path = Path(botocore.__file__).parent / "data" / "endpoints.json"
    data = json.loads(path.read_text("utf-8"))
    for partition in data["partitions"]:
        sts = partition["services"].setdefault("sts", {"endpoints": {}})
        for region in partition["regions"]:
            sts["endpoints"][region] = {"hostname": host}
    return json.dumps(data)
