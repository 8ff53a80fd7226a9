"""Endpoints whose containers have several workers (SAGEMAKER_MODEL_SERVER_WORKERS)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xgboost
from tests.e2e.endpoints.conftest import Hosting

from sagebrush.launch import PrivateServer

TWO = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
LIMIT_S = 30.0


def workers(server: PrivateServer, endpoint: str) -> set[int]:
    """Return the processes below the model server of an endpoint."""
    for path in server.data.glob("fleets/*/*/shim.json"):
        spec = json.loads((path.parent / "spec.json").read_text("utf-8"))
        if spec["name"] != f"endpoint-{endpoint}" or (path.parent / "exit.json").exists():
            continue
        (pid,) = json.loads(path.read_text("utf-8"))["members"].values()
        return leaves(pid)
    return set()


def leaves(pid: int) -> set[int]:
    """Return the processes below one, or below its children, that have none themselves."""
    children = (task / "children" for task in Path(f"/proc/{pid}/task").iterdir())
    found = {int(each) for path in children for each in path.read_text().split()}
    return {leaf for child in found for leaf in leaves(child)} or {pid}


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_each_worker_answers_alone_and_is_replaced(
    server: PrivateServer, shared_hosting: Hosting
) -> None:
    hosting = shared_hosting
    hosting.model("paired", hosting.kmeans((3.0, 4.0)), Environment=TWO)
    hosting.endpoint("paired")
    until(lambda: len(workers(server, "paired")) == 2)
    both = workers(server, "paired")
    for stopped in both:
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert [hosting.distance("paired")[0] for _ in range(5)] == [5.0] * 5
        finally:
            os.kill(stopped, signal.SIGCONT)
    killed = both.pop()
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(workers(server, "paired") - {killed}) == 2)
    assert both < workers(server, "paired")
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: hosting.distance("paired")[0], range(80)))
    assert told == [5.0] * 80
    hosting.sagemaker.delete_endpoint(EndpointName="paired")
    hosting.gone("paired")
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in both))


def test_libraries_with_threads_of_their_own_work_after_the_fork(
    server: PrivateServer, shared_hosting: Hosting
) -> None:
    hosting = shared_hosting
    rows = np.random.default_rng(1).random((2000, 8)).astype(np.float32)
    data = xgboost.DMatrix(rows, rows[:, 0] > rows[:, 1])
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4}, data, 10)
    hosting.model("grown", hosting.boosted(booster), "xgboost", Environment=TWO)
    hosting.endpoint("grown")
    until(lambda: len(workers(server, "grown")) == 2)
    body = "\n".join(",".join(f"{value:.9g}" for value in row) for row in rows)
    expected = booster.predict(xgboost.DMatrix(rows))
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: hosting.invoke("grown", body, Accept="text/csv")["Body"], range(8))
        )
    for answer in answers:
        told = [float(each) for each in answer.replace(b"\n", b",").split(b",") if each]
        np.testing.assert_allclose(told, expected, atol=1e-5)


@pytest.mark.parametrize("text", ["none", "0"])
def test_a_number_that_is_none_fails_the_endpoint(shared_hosting: Hosting, text: str) -> None:
    hosting, name = shared_hosting, f"wrong-{text}"
    wrong = {"SAGEMAKER_MODEL_SERVER_WORKERS": text}
    hosting.model(name, hosting.kmeans((0.0, 0.0)), Environment=wrong)
    hosting.endpoint(name, status="Failed")
    events = hosting.client("logs").filter_log_events(
        logGroupName=f"/aws/sagemaker/Endpoints/{name}"
    )["events"]
    assert any("SAGEMAKER_MODEL_SERVER_WORKERS must be" in event["message"] for event in events)
