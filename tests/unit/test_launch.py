"""A private server ends with the program it was started for, however that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from sagebrush.base.errors import ConfigurationError
from sagebrush.cli import main
from sagebrush.launch import LaunchError, PrivateServer

RUN = (sys.executable, "-m", "sagebrush", "run", "--")
DEADLINE_S = 20.0


def wait_until_gone(folder: Path) -> None:
    end = time.monotonic() + DEADLINE_S
    while folder.exists():
        assert time.monotonic() < end, f"{folder} is still there"
        time.sleep(0.02)


def told_endpoint(process: subprocess.Popen[bytes]) -> tuple[str, Path]:
    """Return the endpoint and the data directory of the server around a program that tells."""
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    return told["endpoint"], Path(told["bundle"]).parent.parent


TELLING = """
import json, os, time
told = {"endpoint": os.environ["SAGEBRUSH_ENDPOINT_URL"], "bundle": os.environ["AWS_CA_BUNDLE"]}
print(json.dumps(told), flush=True)
time.sleep(60)
"""
TELL = (sys.executable, "-c", TELLING)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_run_is_ended(number: signal.Signals) -> None:
    with subprocess.Popen((*RUN, *TELL), stdout=subprocess.PIPE, start_new_session=True) as running:
        endpoint, data = told_endpoint(running)
        assert data.exists()
        running.send_signal(number)
        running.wait(DEADLINE_S)
        wait_until_gone(data)
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(f"{endpoint}/_sagebrush/health")
        # The program itself is not run's to end where run was killed.
        os.killpg(running.pid, signal.SIGKILL) if number == signal.SIGKILL else None


def test_sigterm_before_the_program_began_leaves_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen((*RUN, "sleep", "60"), env=environment) as running:
        while not list(tmp_path.glob("sagebrush-*")):
            time.sleep(0.005)
        running.terminate()
        assert running.wait(DEADLINE_S) == 128 + signal.SIGTERM
    for folder in tmp_path.glob("sagebrush-*"):
        wait_until_gone(folder)


def test_a_server_that_does_not_start_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(LaunchError), PrivateServer(options=("--fly",)):
        pass
    assert not list(tmp_path.iterdir())


def test_only_the_failed_start_is_told(tmp_path: Path) -> None:
    with PrivateServer(tmp_path):
        pass
    with pytest.raises(LaunchError, match="--fly") as failed:
        PrivateServer(tmp_path, options=("--fly",)).start()
    assert "is ready" in (tmp_path / "server.log").read_text()
    assert "is ready" not in str(failed.value)


def test_a_named_directory_stays(tmp_path: Path) -> None:
    with PrivateServer(tmp_path / "data") as server:
        assert server.endpoint
    assert (tmp_path / "data" / "state.sqlite").exists()


@pytest.mark.parametrize(("program", "code"), [("/nonexistent/program", 127), ("/etc/passwd", 126)])
def test_a_program_that_cannot_run_ends_as_in_a_shell(program: str, code: int) -> None:
    ended = subprocess.run((*RUN, program), capture_output=True, check=False)
    assert ended.returncode == code
    assert program.encode() in ended.stderr


def test_an_impossible_data_directory_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    for command in (["up", "--port", "0"], ["run"]):
        after = ["--", "true"] if command == ["run"] else []
        assert main([*command, "--data", str(file), *after]) == 1
        assert f"{file} cannot be the data directory" in capsys.readouterr().err
    with pytest.raises(ConfigurationError):
        PrivateServer(file).start()


@pytest.mark.parametrize("port", ["99999", "-5"])
def test_an_impossible_port_is_wrong_usage(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["up", f"--port={port}"])
    assert ended.value.code == 2
    assert f"{port} is no port" in capsys.readouterr().err
