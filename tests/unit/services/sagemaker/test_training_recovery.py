"""Jobs across the death of the server, of their processes, and of their turn to run."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sqlite3
from typing import Any

import pytest

from sagebrush.services.sagemaker import job_runs, records
from sagebrush.services.sagemaker.jobs import carry
from sagebrush.services.sagemaker.jobs.watch import Watch

from .conftest import ACCOUNT, Server

_WAITS = 'echo begun; while [ ! -e "$1/go" ]; do sleep 0.01; done; echo w > "$1/model/w"; echo done'


def _let_go(server: Server, name: str) -> None:
    (server.root(name) / "go").touch()


def _shim(server: Server, name: str) -> int:
    record = json.loads((server.root(name).parents[2] / "shim.json").read_bytes())
    return int(record["pid"])


def _kill_shim(server: Server, name: str) -> None:
    os.kill(_shim(server, name), signal.SIGKILL)


def test_running_job_is_adopted(own_server: Server) -> None:
    request = own_server.create("survivor", _WAITS)
    own_server.wait("survivor", "Training")
    own_server.until(lambda: any(own_server.log("survivor").values()))
    own_server.abandon()
    own_server.start()
    assert own_server.wait("survivor", "Training")["TrainingJobStatus"] == "InProgress"
    _let_go(own_server, "survivor")
    job = own_server.wait("survivor")
    assert job["TrainingJobStatus"] == "Completed"
    assert own_server.log("survivor") == {"algo-1": ["begun", "done"]}
    bucket = request["OutputDataConfig"]["S3OutputPath"].split("/")[2]
    assert own_server.keys(bucket) == ["out/survivor/output/model.tar.gz"]


def test_job_that_ended_meanwhile_keeps_its_exit_status(own_server: Server) -> None:
    own_server.create("meanwhile", f"{_WAITS}; exit 7")
    own_server.wait("meanwhile", "Training")
    root = own_server.root("meanwhile")
    own_server.abandon()
    (root / "go").touch()
    while not (root.parents[2] / "exit.json").exists():
        os.sched_yield()
    own_server.start()
    job = own_server.wait("meanwhile")
    assert job["FailureReason"] == "AlgorithmError: , exit code: 7"
    assert own_server.log("meanwhile")["algo-1"][-1] == "done"


def test_job_whose_processes_died_is_failed(own_server: Server) -> None:
    own_server.create("victim", _WAITS)
    own_server.wait("victim", "Training")
    _kill_shim(own_server, "victim")
    job = own_server.wait("victim")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: The processes")


def test_retry_strategy_starts_it_again(own_server: Server) -> None:
    own_server.create("again", _WAITS, RetryStrategy={"MaximumRetryAttempts": 1})
    own_server.wait("again", "Training")
    _kill_shim(own_server, "again")
    own_server.wait_for_attempt("again", 2)
    _let_go(own_server, "again")
    job = own_server.wait("again")
    assert job["TrainingJobStatus"] == "Completed"
    assert own_server.transitions("again").count("Restarting") == 1


def test_retries_are_counted(own_server: Server) -> None:
    own_server.create("twice", _WAITS, RetryStrategy={"MaximumRetryAttempts": 1})
    for number in (1, 2):
        own_server.wait_for_attempt("twice", number)
        _kill_shim(own_server, "twice")
    assert own_server.wait("twice")["TrainingJobStatus"] == "Failed"


def test_stop_before_restart_is_carried_out(own_server: Server) -> None:
    own_server.create("stopping", "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.01; done")
    own_server.wait("stopping", "Training")
    own_server.call("StopTrainingJob", TrainingJobName="stopping")
    own_server.abandon()
    own_server.start()
    assert own_server.wait("stopping")["SecondaryStatus"] == "Stopped"


@pytest.mark.parametrize("secondary", ["Starting", "Downloading"])
def test_job_not_yet_started_begins_again(own_server: Server, secondary: str) -> None:
    """What a server leaves that dies while it prepares a job."""
    request = own_server.request("early")
    db = own_server.platform.db
    with db.transaction():
        job = records.insert_job(db, ACCOUNT, own_server.region, "early", request, 1.0)
        assert job is not None
        records.advance(job, secondary, "message", 2.0)
        job.progress.attempt = 1
        records.save(db, job)
    half = own_server.data / "jobs" / "training" / f"{job.id}-1"
    half.mkdir(parents=True)
    (half / "rest").touch()
    own_server.program = "ls $1/../../.. ; exit 0"
    own_server.abandon()
    own_server.start()
    assert own_server.wait("early")["TrainingJobStatus"] == "Completed"
    assert not half.exists()


def test_upload_cut_off_is_done_again(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, done = carry.upload, asyncio.Event()

    async def half_way(*arguments: Any) -> None:
        await upload(*arguments)
        done.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(carry, "upload", half_way)
    request = own_server.create("cut", "echo w > $1/model/w")
    own_server.run(done.wait())
    assert own_server.wait("cut", "Uploading")["TrainingJobStatus"] == "InProgress"
    own_server.abandon()
    monkeypatch.setattr(carry, "upload", upload)
    own_server.start()
    assert own_server.wait("cut")["TrainingJobStatus"] == "Completed"
    bucket = request["OutputDataConfig"]["S3OutputPath"].split("/")[2]
    assert own_server.keys(bucket) == ["out/cut/output/model.tar.gz"]


def test_database_trouble_leaves_the_processes_alone(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runs, "_RETRY_S", 0.05)
    troubles = iter([sqlite3.OperationalError("database or disk is full")] * 2)
    end = carry.JobRun.end

    def full(run: carry.JobRun, outcome: Any) -> None:
        trouble = next(troubles, None)
        if trouble is not None:
            raise trouble
        end(run, outcome)

    monkeypatch.setattr(carry.JobRun, "end", full)
    own_server.create("patient", "echo w > $1/model/w")
    job = own_server.wait("patient")
    assert job["TrainingJobStatus"] == "Completed"
    assert own_server.transitions("patient").count("Training") == 1
    assert next(troubles, None) is None


def test_defect_fails_the_job_and_ends_its_processes(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims: list[int] = []

    async def broken(self: Watch, found: Any) -> Any:
        shims.append(_shim(own_server, "defect"))
        raise ZeroDivisionError

    monkeypatch.setattr(Watch, "follow", broken)
    own_server.create("defect", "exec sleep 60")
    job = own_server.wait("defect")
    assert job["FailureReason"].startswith("InternalServerError: ")
    with pytest.raises(ProcessLookupError):
        os.kill(shims[0], 0)


def test_spot_job_waits_only_so_long_for_its_turn(own_server: Server) -> None:
    own_server.limit_jobs(1)
    own_server.create("holder", _WAITS)
    own_server.wait("holder", "Training")
    own_server.create(
        "waiter",
        "exit 0",
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1},
    )
    assert own_server.wait("waiter")["SecondaryStatus"] == "MaxWaitTimeExceeded"
    _let_go(own_server, "holder")
    assert own_server.wait("holder")["TrainingJobStatus"] == "Completed"


def test_job_ends_with_a_server_whose_data_do_not_stay(own_server: Server) -> None:
    settings = dataclasses.replace(own_server.platform.settings, ephemeral=True)
    own_server.platform.settings = settings
    own_server.create("gone", "exec sleep 60")
    own_server.wait("gone", "Training")
    shim = _shim(own_server, "gone")
    own_server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(shim, 0)
    own_server.start()


def test_leftover_folders_are_removed_at_start(own_server: Server) -> None:
    left = own_server.data / "jobs" / "training" / "99-1"
    left.mkdir(parents=True)
    own_server.abandon()
    own_server.start()
    own_server.train("any", "exit 0")
    own_server.until(lambda: not left.exists())


def test_jobs_beyond_the_machine_wait_in_order(own_server: Server) -> None:
    own_server.limit_jobs(1)
    own_server.create("first", _WAITS)
    own_server.wait("first", "Training")
    for name in ("second", "third", "fourth"):
        own_server.create(name, "exit 0")
        own_server.wait(name, "Pending")
    own_server.call("StopTrainingJob", TrainingJobName="third")
    stopped = own_server.wait("third")
    assert stopped["TrainingJobStatus"] == "Stopped"
    assert "TrainingStartTime" not in stopped
    own_server.program = "exit 0"
    _let_go(own_server, "first")
    second, fourth = own_server.wait("second"), own_server.wait("fourth")
    assert second["TrainingJobStatus"] == fourth["TrainingJobStatus"] == "Completed"
    assert second["TrainingEndTime"] <= fourth["TrainingStartTime"]
