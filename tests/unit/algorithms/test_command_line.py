"""``python -m sagebrush.algorithms``: an algorithm without the platform."""

import http.client
import signal
import socket
import subprocess
import sys

import pytest

from sagebrush.algorithms.__main__ import main

CSV = {"train": {"ContentType": "text/csv;label_size=0"}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_model_is_trained_and_served_on_a_port(container_root):
    root = container_root({"k": "2", "feature_dim": "2"}, CSV)
    (root / "input/data/train/a.csv").write_text("0,0\n0,1\n9,9\n9,8\n" * 5)
    assert main(["train", "kmeans", "--root", str(root)]) == 0

    port = free_port()
    command = [sys.executable, "-m", "sagebrush.algorithms", "serve", "kmeans"]
    process = subprocess.Popen([*command, "--root", str(root), "--port", str(port)])
    try:
        answer = ask(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert answer.startswith(b'{"predictions": [{"closest_cluster": ')


def ask(port: int, process: subprocess.Popen) -> bytes:
    """Ask until the server listens."""
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("POST", "/invocations", "9,9\n", {"Content-Type": "text/csv"})
            return connection.getresponse().read()
        except ConnectionRefusedError:
            continue
        finally:
            connection.close()
    raise AssertionError("the server ended at once")


def test_a_failed_training_is_the_exit_code(container_root):
    assert main(["train", "kmeans", "--root", str(container_root({}, CSV))]) == 2


def test_an_unknown_algorithm_is_refused(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["train", "banana"])
    assert raised.value.code == 2
    assert "banana" in capsys.readouterr().err
