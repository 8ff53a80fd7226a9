"""kill -9 of the server under writes: what was acknowledged is there, whole, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagebrush.launch import PrivateServer

SIZES = (10, 20_000, 2_000_000)


def make_client(server: PrivateServer) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="111111111111",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )


def body_of(number: int) -> bytes:
    return f"{number:08d}".encode() * (SIZES[number % len(SIZES)] // 8)


@pytest.mark.parametrize("kill_after", [5, 17, 40])
def test_acknowledged_objects_survive(tmp_path: Path, kill_after: int) -> None:
    server = PrivateServer(tmp_path)
    server.start()
    make_client(server).create_bucket(Bucket="bucket")
    acknowledged: list[int] = []
    reached = threading.Event()

    def write(start: int) -> None:
        client = make_client(server)
        for number in range(start, 10_000, 3):
            try:
                client.put_object(Bucket="bucket", Key=str(number), Body=body_of(number))
            except (BotoCoreError, ClientError):
                return
            acknowledged.append(number)
            if len(acknowledged) >= kill_after:
                reached.set()

    writers = [threading.Thread(target=write, args=(start,)) for start in range(3)]
    for writer in writers:
        writer.start()
    assert reached.wait(60)
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGKILL)
    for writer in writers:
        writer.join(60)
    server._process.wait()
    server.start()
    try:
        client = make_client(server)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket")
        listed = {int(item["Key"]) for page in pages for item in page.get("Contents", [])}
        assert listed >= set(acknowledged)
        for number in listed:
            got = client.get_object(Bucket="bucket", Key=str(number))["Body"].read()
            assert got == body_of(number)
    finally:
        server.stop()
