"""The pytest plugin, in a test suite of its own as a user would write it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUITE = """
import subprocess
import sys
import urllib.request

import boto3


def test_clients_and_address(sagebrush):
    s3 = sagebrush.client("s3")
    s3.create_bucket(Bucket="one")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["one"]
    own = boto3.client("s3", endpoint_url=sagebrush.endpoint_url, region_name="us-east-1",
                       aws_access_key_id="111122223333", aws_secret_access_key="x")
    assert own.list_buckets()["Buckets"] == []
    there = sagebrush.client("sagemaker", "eu-west-1")
    assert there.meta.region_name == "eu-west-1"
    with urllib.request.urlopen(sagebrush.endpoint_url + "/_sagebrush/health") as answer:
        assert answer.status == 200


def test_the_server_is_the_sessions(sagebrush, request):
    assert len(sagebrush.client("s3").list_buckets()["Buckets"]) == 1
    request.config.address = sagebrush.endpoint_url


def test_reset_forgets_everything_and_keeps_the_address(sagebrush, request):
    s3 = sagebrush.client("s3")
    sagebrush.reset()
    assert s3.list_buckets()["Buckets"] == []
    assert sagebrush.endpoint_url == request.config.address


def test_programs_are_led_to_the_server(sagebrush):
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    shown = subprocess.run([sys.executable, "-c", program], env=sagebrush.environment(),
                           capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "000000000000"
    assert "BEGIN CERTIFICATE" in open(sagebrush.ca_bundle).read()


def test_that_fails(sagebrush):
    assert sagebrush.client("s3").list_buckets()["Buckets"] == ["something"]
"""


def run_suite(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_suite.py").write_text(text)
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "test_suite.py"],
        cwd=folder,
        env=environment | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_suite_with_the_fixture(tmp_path: Path) -> None:
    finished = run_suite(tmp_path, SUITE)
    assert "4 passed" in finished.stdout, finished.stdout
    assert "1 failed" in finished.stdout
    assert "test_that_fails" in finished.stdout.partition("short test summary")[2]
    # The server went with the session, and all it kept.
    assert [path.name for path in tmp_path.iterdir()] == ["test_suite.py"]


def test_a_suite_without_it_starts_no_server(tmp_path: Path) -> None:
    watch = (
        "import pathlib\ndef test_nothing():\n    assert len(list(pathlib.Path().iterdir())) == 1"
    )
    finished = run_suite(tmp_path, watch)
    assert "1 passed" in finished.stdout, finished.stdout
