"""`sagebrush env` in shells that were set up for something else, and where signatures count."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from sagebrush.launch import PrivateServer

CALL = """
import boto3
print(boto3.client("sts", region_name="us-east-1").get_caller_identity()["Arn"])
"""
FETCH = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
"""
ELSEWHERE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    "AWS_PROFILE": "nobody",
    "AWS_SESSION_TOKEN": "of another key",
}


@pytest.fixture(scope="module")
def verifying() -> Iterator[PrivateServer]:
    with PrivateServer(options=("--verify-signatures",)) as server:
        yield server


def caller(server: PrivateServer, home: Path, **variables: str) -> str:
    """Return who a program is in a shell that evaluated `sagebrush env`."""
    shell = {name: value for name, value in os.environ.items() if not name.startswith("AWS")}
    env = f'eval "$({sys.executable} -m sagebrush env --endpoint {server.endpoint})"'
    ended = subprocess.run(
        ["sh", "-c", f'{env} && {sys.executable} -c "$PROGRAM"'],
        env=shell | variables | {"HOME": str(home), "PROGRAM": CALL},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_what_pointed_elsewhere_is_unset(server: PrivateServer, tmp_path: Path) -> None:
    assert "assumed-role" in caller(server, tmp_path, **ELSEWHERE)


def test_a_server_that_verifies_is_met_with_its_root_key(
    verifying: PrivateServer, tmp_path: Path
) -> None:
    root = "arn:aws:iam::000000000000:root"
    assert caller(verifying, tmp_path) == root
    placeholders = {"AWS_ACCESS_KEY_ID": "sagebrush", "AWS_SECRET_ACCESS_KEY": "sagebrush"}
    assert caller(verifying, tmp_path, **ELSEWHERE, **placeholders) == root


def test_the_shells_own_keys_stay(verifying: PrivateServer, tmp_path: Path) -> None:
    lines = (verifying.data / "root-credentials").read_text().splitlines()
    key, secret = (line.partition(" = ")[2] for line in lines[1:3])
    own = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    assert caller(verifying, tmp_path, **own).endswith(":root")
    with pytest.raises(AssertionError, match="SignatureDoesNotMatch"):
        caller(verifying, tmp_path, **own | {"AWS_SECRET_ACCESS_KEY": "wrong"})


@pytest.mark.parametrize(
    "fetch",
    [
        ["curl", "--silent", "--show-error", "--fail"],
        [sys.executable, "-c", FETCH],
    ],
    ids=["curl", "urllib"],
)
def test_presigned_urls_are_fetched_by_any_program(server: PrivateServer, fetch: list[str]) -> None:
    if shutil.which(fetch[0]) is None:
        pytest.skip(f"no {fetch[0]} here")
    s3 = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="sagebrush",
        aws_secret_access_key="sagebrush",
    )
    s3.create_bucket(Bucket="fetched")
    s3.put_object(Bucket="fetched", Key="key", Body=b"content")
    url = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="sagebrush",
        aws_secret_access_key="sagebrush",
    ).generate_presigned_url("get_object", Params={"Bucket": "fetched", "Key": "key"})
    assert url.startswith("https://fetched.s3.amazonaws.com/")
    ended = subprocess.run(
        [*fetch, url], env=server.environment(), capture_output=True, text=True, check=False
    )
    assert (ended.stdout.strip(), ended.returncode) == ("content", 0), ended.stderr
