"""Transform jobs against a small container of the tests' own, whose answers are easy to foretell.

It answers every line `x` with `x!`. Lines may tell it what else to do; see `CONTAINER`.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.engines.logs.errors import GroupNotFound
from sagebrush.run.spec import ProcessSpec
from sagebrush.services.sagemaker.hosting import serving
from sagebrush.services.sagemaker.transform import instances

ACCOUNT = "111122223333"
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
CONTAINER = r"""
import http.server, json, os, socketserver, sys, threading, time
lock, busy, failed = threading.Lock(), 0, set()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def address_string(self): return "unix"
    def log_message(self, *_): pass
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        advice = os.environ.get("ADVICE")
        if self.path == "/ping":
            self.answer(200, b"")
        elif advice:
            self.answer(200, advice.encode())
        else:
            self.answer(404, b"")
    def do_POST(self):
        global busy
        body = self.rfile.read(int(self.headers["content-length"]))
        with lock:
            busy += 1
            print("asked", len(body), self.headers["content-type"], self.headers["accept"], busy)
            sys.stdout.flush()
        time.sleep(float(os.environ.get("PAUSE", "0")))
        for line in body.split(b"\n"):
            if line.startswith(b"status"):
                status = int(line[6:9])
                break
            if line.startswith(b"once") and line not in failed:
                failed.add(line)
                status = 503
                break
            if line == b"die":
                os._exit(3)
            if line == b"dieonce" and not os.path.exists("/tmp/died"):
                open("/tmp/died", "w").close()
                os._exit(3)
            if line == b"hang":
                time.sleep(60)
        else:
            status = 200
        with lock:
            busy -= 1
        if status != 200:
            self.answer(status, b"no good\nat all")
        else:
            lines = body.removesuffix(b"\n").split(b"\n")
            end = b"\n" if body.endswith(b"\n") else b""
            self.answer(200, b"\n".join(line + b"!" for line in lines) + end)
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 100
print({name: os.environ[name] for name in sorted(os.environ) if name.startswith("SAGEMAKER_")})
print("model:", sorted(os.listdir(sys.argv[1] + "/model")), flush=True)
Server(sys.argv[1] + "/run/model.sock", Handler).serve_forever()
"""


class Transforms:
    """Transform jobs of one server."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.bucket = server.bucket()
        self._names = itertools.count()
        self.put("model.tar.gz", _archive())
        self.model("model")

    def model(self, name: str, **environment: str) -> None:
        """Create a model; its container gets `environment`."""
        container = {
            "Image": KMEANS,
            "ModelDataUrl": f"s3://{self.bucket}/model.tar.gz",
            "Environment": environment,
        }
        role = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"
        self.server.call(
            "CreateModel", ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role
        )

    def put(self, key: str, body: bytes | str) -> None:
        """Write an object."""
        self.server.put(self.bucket, key, body)

    def outputs(self, prefix: str = "out/") -> dict[str, bytes]:
        """Return the outputs by their key below the prefix."""
        keys = self.server.keys(self.bucket, prefix)
        return {key.removeprefix(prefix): self.server.read(self.bucket, key) for key in keys}

    def request(self, **changes: Any) -> dict[str, Any]:
        """Return a request; `changes` are members of it, of TransformInput or TransformOutput."""
        source = {
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/in/"}
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        }
        output = {
            "S3OutputPath": f"s3://{self.bucket}/out",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        }
        for member in ("DataSource", "ContentType", "SplitType", "CompressionType"):
            if member in changes:
                source[member] = changes.pop(member)
        for member in ("S3OutputPath", "Accept", "AssembleWith"):
            if member in changes:
                output[member] = changes.pop(member)
        request: dict[str, Any] = {
            "TransformJobName": f"job-{next(self._names)}",
            "ModelName": "model",
            "TransformInput": {key: value for key, value in source.items() if value is not None},
            "TransformOutput": {key: value for key, value in output.items() if value is not None},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }
        return request | changes

    def create(self, **changes: Any) -> str:
        """Create a job and return its name."""
        request = self.request(**changes)
        self.server.call("CreateTransformJob", **request)
        return str(request["TransformJobName"])

    def describe(self, name: str) -> dict[str, Any]:
        """Return a job's description."""
        found: dict[str, Any] = self.server.call("DescribeTransformJob", TransformJobName=name)
        return found

    def wait(self, name: str) -> dict[str, Any]:
        """Return a job's description once it is over."""
        over = ("Completed", "Failed", "Stopped")
        self.server.until(lambda: self.describe_now(name) in over)
        return self.describe(name)

    def describe_now(self, name: str) -> str:
        """Return a job's status, on the server's loop."""
        row = self.server.platform.db.one(
            "SELECT status FROM sagemaker_transform_jobs WHERE name = ? AND region = ?",
            (name, self.server.region),
        )
        return str(row["status"])

    def run(self, **changes: Any) -> dict[str, Any]:
        """Run a job to its end and return its description."""
        return self.wait(self.create(**changes))

    def until_cleared(self) -> None:
        """Return once no job's folder is left."""
        folder = self.server.data / "transform"
        self.server.until(lambda: not any(folder.iterdir()))

    def lines(self, name: str) -> dict[str, list[str]]:
        """Return the lines of a job's streams, by `container` and `data`."""
        logs = self.server.platform.logs
        found: dict[str, list[str]] = {"container": [], "data": []}
        try:
            group = logs.group(ACCOUNT, self.server.region, "/aws/sagemaker/TransformJobs")
        except GroupNotFound:
            return found
        for stream in logs.streams(group, prefix=f"{name}/"):
            rows = self.server.platform.db.all(
                "SELECT message FROM logs_events WHERE stream_id = ? ORDER BY position",
                (stream.id,),
            )
            kind = "data" if stream.name.endswith("/data-log") else "container"
            found[kind] += [row["message"] for row in rows]
        return found

    def asked(self, name: str) -> list[list[str]]:
        """Return what the container says of each request: bytes, types, requests at that time."""
        found = self.lines(name)["container"]
        return [line.split()[1:] for line in found if line.startswith("asked")]


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("weights")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"1234"))
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the algorithms' containers."""

    def specification(*arguments: Any) -> Callable[[Path], ProcessSpec]:
        make = serving.specification(*arguments)

        def changed(directory: Path) -> ProcessSpec:
            spec = make(directory)
            (member,) = spec.members
            argv = (sys.executable, "-S", "-c", CONTAINER, serving.CONTAINER_ROOT)
            replaced = dataclasses.replace(member, entry=None, argv=argv)
            return dataclasses.replace(spec, members=(replaced,), family="algorithms")

        return changed

    monkeypatch.setattr(instances, "specification", specification)
    monkeypatch.setattr("sagebrush.services.sagemaker.job_runs._HOLD_S", 0.0)


@pytest.fixture
def transforms(server: Any) -> Transforms:
    """Jobs on the shared server, in a region of the test's own."""
    return Transforms(server)
