"""What the commands do without a server: usage, refusals, exit codes, folders."""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush import __version__
from sagebrush.cli import main

COMMANDS = ("up", "run", "env", "status", "clock", "faults", "logs", "runtimes", "reset", "demo")


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose own data and cache are out of reach."""
    for name in [name for name in os.environ if name.startswith(("SAGEBRUSH_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SAGEBRUSH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SAGEBRUSH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_no_command_is_wrong_usage_and_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(f"    {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: sagebrush {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["up", "--port", "x"],
        ["up", "--job-memory", "0.5G"],
        ["status", "--fly"],
        ["up", "--clock", "fast"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: sagebrush" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"sagebrush {__version__}\n"


@pytest.mark.parametrize("command", [["status"], ["env"], ["clock"], ["faults"], ["logs", "job"]])
def test_no_server_runs(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 1
    assert "start one with `sagebrush up`" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["status"], ["env"], ["clock"], ["logs", "job"]])
def test_no_server_answers(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--endpoint", "http://127.0.0.1:1"]) == 1
    assert "no server answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_a_server_that_died_does_not_run(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = user / "data"
    folder.mkdir()
    # Its number may be another program's by now.
    description = {"pid": os.getpid(), "endpoint": "http://127.0.0.1:9"}
    (folder / "server.json").write_text(json.dumps(description))
    (folder / "lock").touch()
    assert main(["status"]) == 1
    assert "no server runs" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "{}"])
def test_a_description_nobody_wrote(
    user: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = user / "data"
    folder.mkdir()
    (folder / "server.json").write_text(text)
    assert main(["status"]) == 1
    assert "no server runs" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_other_machines_get_in_only_on_purpose(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--host", host, "--port", "0"]) == 1
    assert "--verify-signatures" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def filled(folder: Path) -> Path:
    (folder / "objects").mkdir(parents=True)
    (folder / "objects" / "one").write_text("1")
    (folder / "state.sqlite").write_text("")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("1")
    (folder / "link").symlink_to(outside)
    return folder


def test_reset_empties_a_data_directory_and_follows_no_link(user: Path) -> None:
    folder = filled(user / "data")
    assert main(["reset", "--yes"]) == 0
    assert list(folder.iterdir()) == []
    assert (user / "outside" / "kept").exists()


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, False), ("", 1, True)])
def test_reset_asks(
    user: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: bool
) -> None:
    folder = filled(user / "data")
    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    assert main(["reset"]) == code
    assert bool(list(folder.iterdir())) is left


def test_reset_without_anybody_to_ask(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled(user / "data")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["reset"]) == 1
    assert (folder / "state.sqlite").exists()


def test_reset_leaves_foreign_folders_alone(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = user / "home"
    folder.mkdir()
    (folder / "thesis").write_text("1")
    assert main(["reset", "--yes", "--data", str(folder)]) == 1
    assert "left as it is" in capsys.readouterr().err
    assert (folder / "thesis").exists()
    assert main(["reset", "--yes", "--data", str(user / "nothing")]) == 0


def test_reset_while_a_server_runs(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = filled(user / "data")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["reset", "--yes"]) == 1
    assert "stop it first" in capsys.readouterr().err
    assert (folder / "state.sqlite").exists()


def test_runtimes_are_listed_and_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runtimes"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == ["base", "catboost", "lightgbm", "xgboost-1.7"]
    assert lines["base"].split()[1] == "ready"
    assert "not built" in lines["xgboost-1.7"]
    assert "xgboost==1.7.6" in lines["xgboost-1.7"]


@pytest.mark.parametrize("arguments", [["prepare"], ["remove"], ["prepare", "nothing"]])
def test_runtimes_that_are_not_named_or_not_known(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runtimes", *arguments]) == 1
    assert "xgboost-1.7" in capsys.readouterr().err


def test_a_runtime_that_is_not_there_can_be_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runtimes", "remove", "xgboost-1.7"]) == 0
    assert "removed" in capsys.readouterr().out


def test_run_needs_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 1
    assert main(["run", "--"]) == 1
    assert "name the command" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sagebrush", "runtimes"]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")
