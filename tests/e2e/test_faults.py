"""Nothing is lost: the server, the shims, jobs and model servers are killed under load.

What was acknowledged is there afterwards, what was half written never appears, and every job
reaches an end with a reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
TERMINAL = ("Completed", "Failed", "Stopped")
JOB_LIMIT_S = 90.0


class Server:
    """A server on a fixed port that can be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        reading, writing = os.pipe()
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "sagebrush", "up", "--port", str(self.port)),
                    *("--data", str(self.folder), "--ready-fd", str(writing)),
                ],
                pass_fds=(writing,),
                stdout=log,
                stderr=log,
            )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            assert pipe.readline(), (self.folder / "server.log").read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
        )

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def upload_rows(server: Server, bucket: str, rows: int = 400) -> None:
    data = np.random.default_rng(1).normal(size=(rows, 4))
    text = "\n".join(",".join(f"{value:.5f}" for value in row) for row in data)
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="train/data.csv", Body=text)


def create_job(server: Server, name: str, bucket: str, **hyperparameters: str) -> None:
    server.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={"k": "3", "feature_dim": "4", "mini_batch_size": "100"} | hyperparameters,
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv;label_size=0",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train/"}
                },
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )


def ended(server: Server, name: str) -> dict[str, Any]:
    """Wait for a job's end and return its description."""
    sagemaker = server.client("sagemaker")
    give_up = time.monotonic() + JOB_LIMIT_S
    while time.monotonic() < give_up:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] in TERMINAL:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{name} is still {job['SecondaryStatus']}")


def wait_until(condition: Callable[[], object], limit_s: float = 30.0) -> None:
    give_up = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


def processes_below(folder: Path, entry: str) -> list[int]:
    """Return the processes whose log or directory lies below `folder` and that run `entry`."""
    found = []
    for path in folder.rglob("shim.json"):
        record = json.loads(path.read_text())
        if entry in str(path):
            found.append(int(record["pid"]))
    return found


class Load:
    """Puts objects and creates jobs as fast as the server takes them, noting what it promised."""

    def __init__(self, server: Server, bucket: str) -> None:
        self._server = server
        self._bucket = bucket
        self._stop = threading.Event()
        self.objects: dict[str, str] = {}
        self.jobs: list[str] = []
        self.threads = [threading.Thread(target=self._put), threading.Thread(target=self._create)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self.threads:
            thread.join()

    def _put(self) -> None:
        s3 = self._server.client("s3")
        number = 0
        while not self._stop.is_set():
            number += 1
            body = os.urandom(1 + (number * 7919) % 300_000)
            key = f"load/{number}"
            try:
                s3.put_object(Bucket=self._bucket, Key=key, Body=body)
            except (BotoCoreError, ClientError):
                time.sleep(0.02)
                continue
            self.objects[key] = hashlib.md5(body).hexdigest()

    def _create(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"load-{number}"
            try:
                create_job(self._server, name, self._bucket)
            except (BotoCoreError, ClientError):
                time.sleep(0.05)
                continue
            self.jobs.append(name)
            time.sleep(0.3)


def test_kill_9_of_the_server_under_load_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        upload_rows(server, "faults")
        with Load(server, "faults") as load:
            for pause_s in (0.9, 0.35, 0.6, 0.15, 1.1):
                time.sleep(pause_s)
                server.kill()
                server.start()
            time.sleep(0.3)
        assert len(load.objects) > 20
        assert load.jobs
        s3 = server.client("s3")
        for key, digest in load.objects.items():
            body = s3.get_object(Bucket="faults", Key=key)["Body"].read()
            assert hashlib.md5(body).hexdigest() == digest, key
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="faults", Prefix="load/")
        for entry in (entry for page in pages for entry in page.get("Contents", [])):
            # Whatever is listed is whole, acknowledged or not.
            body = s3.get_object(Bucket="faults", Key=entry["Key"])["Body"].read()
            assert len(body) == entry["Size"]
            assert hashlib.md5(body).hexdigest() == entry["ETag"].strip('"')
        for name in load.jobs:
            job = ended(server, name)
            assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
            artefact = f"output/{name}/output/model.tar.gz"
            assert s3.head_object(Bucket="faults", Key=artefact)["ContentLength"]


def test_a_running_job_outlives_the_server(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        upload_rows(server, "outlive", 4000)
        create_job(server, "outlive", "outlive", epochs="3000", mini_batch_size="10")
        sagemaker = server.client("sagemaker")
        wait_until(
            lambda: (
                sagemaker.describe_training_job(TrainingJobName="outlive")["SecondaryStatus"]
                == "Training"
            )
        )
        (shim,) = processes_below(tmp_path, "jobs")
        server.kill()
        os.kill(shim, 0)
        server.start()
        os.kill(shim, 0)
        server.client("sagemaker").stop_training_job(TrainingJobName="outlive")
        job = ended(server, "outlive")
        assert job["TrainingJobStatus"] == "Stopped"
        statuses = [item["Status"] for item in job["SecondaryStatusTransitions"]]
        assert statuses.count("Training") == 1


@pytest.mark.parametrize("victim", ["shim", "worker"])
def test_a_killed_job_fails_with_a_reason(tmp_path: Path, victim: str) -> None:
    with running(tmp_path) as server:
        upload_rows(server, "killed", 4000)
        create_job(server, "killed", "killed", epochs="3000", mini_batch_size="10")
        sagemaker = server.client("sagemaker")
        wait_until(
            lambda: (
                sagemaker.describe_training_job(TrainingJobName="killed")["SecondaryStatus"]
                == "Training"
            )
        )
        (shim,) = processes_below(tmp_path, "jobs")
        doomed = shim if victim == "shim" else _descendant(shim)
        os.kill(doomed, signal.SIGKILL)
        job = ended(server, "killed")
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"]
        # Nothing runs on unseen.
        wait_until(lambda: not _alive(shim))


def test_a_dead_model_server_is_replaced_and_the_endpoint_stays_up(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        upload_rows(server, "serving")
        create_job(server, "serving", "serving")
        job = ended(server, "serving")
        deploy(server, "serving", job["ModelArtifacts"]["S3ModelArtifacts"])
        runtime = server.client("sagemaker-runtime")

        def invoke() -> str:
            answer = runtime.invoke_endpoint(
                EndpointName="serving", ContentType="text/csv", Body="0,0,0,0", Accept="text/csv"
            )
            return str(answer["Body"].read().decode().strip())

        first = invoke()
        for _ in range(3):
            (shim,) = [pid for pid in processes_below(tmp_path, "fleets") if _alive(pid)]
            os.kill(_descendant(shim), signal.SIGKILL)
            assert invoke() == first
        (before,) = [pid for pid in processes_below(tmp_path, "fleets") if _alive(pid)]
        server.kill()
        os.kill(before, 0)
        server.start()
        runtime = server.client("sagemaker-runtime")
        wait_until(lambda: _answers(invoke, first))
        assert [pid for pid in processes_below(tmp_path, "fleets") if _alive(pid)] == [before]
        sagemaker = server.client("sagemaker")
        assert sagemaker.describe_endpoint(EndpointName="serving")["EndpointStatus"] == "InService"


def test_endpoints_come_back_when_every_process_is_gone(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        upload_rows(server, "reboot")
        create_job(server, "reboot", "reboot")
        deploy(server, "reboot", ended(server, "reboot")["ModelArtifacts"]["S3ModelArtifacts"])
        server.kill()
        for shim in processes_below(tmp_path, "fleets"):
            os.kill(shim, signal.SIGKILL)
        server.start()
        runtime = server.client("sagemaker-runtime")

        def invoke() -> str:
            answer = runtime.invoke_endpoint(
                EndpointName="reboot", ContentType="text/csv", Body="0,0,0,0"
            )
            return str(answer["Body"].read())

        wait_until(lambda: _answers(invoke))


def test_a_corrupt_data_file_fails_the_job_naming_file_and_row(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        upload_rows(server, "corrupt")
        s3 = server.client("s3")
        text = s3.get_object(Bucket="corrupt", Key="train/data.csv")["Body"].read().decode()
        lines = text.splitlines()
        lines[250] = "1,2,three,4"
        s3.put_object(Bucket="corrupt", Key="train/data.csv", Body="\n".join(lines))
        create_job(server, "corrupt", "corrupt")
        job = ended(server, "corrupt")
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("ClientError")
        assert "data.csv" in job["FailureReason"]
        assert "251" in job["FailureReason"]


def test_a_full_disk_refuses_puts_and_loses_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "sagebrush-test", folder], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        with running(folder) as server:
            s3 = server.client("s3")
            s3.create_bucket(Bucket="full")
            kept = {}
            refused = 0
            for number in range(30):
                body = os.urandom(2 << 20)
                try:
                    s3.put_object(Bucket="full", Key=str(number), Body=body)
                except (ClientError, BotoCoreError):
                    refused += 1
                else:
                    kept[str(number)] = body
            assert refused
            assert kept
            for key, body in kept.items():
                assert s3.get_object(Bucket="full", Key=key)["Body"].read() == body
            s3.delete_object(Bucket="full", Key=next(iter(kept)))
            wait_until(lambda: _accepts(s3, "full"))
    finally:
        subprocess.run(["umount", folder], check=True)


def deploy(server: Server, name: str, artefact: str) -> None:
    sagemaker = server.client("sagemaker")
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artefact},
        ExecutionRoleArn=ROLE,
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    wait_until(
        lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    )


def _answers(invoke: Callable[[], str], expected: str | None = None) -> bool:
    try:
        return expected is None or invoke() == expected
    except (ClientError, BotoCoreError):
        return False


def _accepts(s3: Any, bucket: str) -> bool:
    try:
        s3.put_object(Bucket=bucket, Key="again", Body=b"x" * 1000)
    except (ClientError, BotoCoreError):
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _descendant(pid: int) -> int:
    """Return the deepest process below `pid`: the one that does the work."""
    while True:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            return pid
        pid = int(children[0])
