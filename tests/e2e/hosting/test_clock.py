"""The server's clock through the command line, HTTP and the pytest plugin's handle."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.e2e.hosting.steering import told

from sagebrush.base.settings import ROOT_CREDENTIALS_FILE
from sagebrush.launch import LaunchError, PrivateServer
from sagebrush.testing.plugin import Sagebrush

REGION = "us-east-1"
HOUR_S = 3600.0
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill."""
    with PrivateServer(tmp_path_factory.mktemp("clock")) as running:
        yield running


def asked(
    server: PrivateServer, body: bytes | None = None, headers: dict[str, str] = JSON
) -> tuple[int, dict[str, Any]]:
    """Return status and document of the clock's page."""
    url = f"{server.endpoint}/_sagebrush/clock"
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def moved(server: PrivateServer, **move: Any) -> dict[str, Any]:
    status, shown = asked(server, json.dumps(move).encode())
    assert status == 200, shown
    return shown


def client(server: PrivateServer, service: str, **options: Any) -> Any:
    settings = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": REGION}
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=server.endpoint, config=once, **settings | options)


def crash(server: PrivateServer) -> None:
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    server.start()


def test_the_command_line(server: PrivateServer) -> None:
    assert "real time" in told(server, "clock")
    assert "clock  " not in told(server, "status")
    assert "running, 1h ahead of real time" in told(server, "clock", "advance", "1h")
    assert "stopped" in told(server, "clock", "stop")
    assert "stopped, 2h30m" in told(server, "clock", "advance", "1h30m")
    assert "60 times as fast" in told(server, "clock", "rate", "60")
    assert "ahead of real time" in told(server, "status")
    assert "running" in told(server, "clock", "go")
    assert "never goes backwards" in told(server, "clock", "real", code=1)
    assert "is no length of time" in told(server, "clock", "advance", "soon", code=2)
    assert "is no rate" in told(server, "clock", "rate", "1e9", code=2)


def test_http(server: PrivateServer) -> None:
    before = asked(server)[1]["now_s"]
    assert moved(server, advance="1h")["now_s"] >= before + HOUR_S
    shown = moved(server, advance_s=60, limit_s=5)
    assert (shown["unsettled"], shown["real"]) == ([], False)
    assert moved(server, stopped=True)["rate"] == 0
    assert moved(server, stopped=False)["rate"] == 1
    assert moved(server, rate=2.5)["rate"] == 2.5
    moved(server, rate=1)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"advance_s": 1}', {"content-type": "text/plain"}, 415),
        (b'{"advance_s": 1}', {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b'{"advance_s": 1}', JSON | {"origin": "http://example.org"}, 403),
        (b'{"advance_s": 1}', JSON | {"origin": "null"}, 403),
        (b"{", JSON, 400),
        (b"[1]", JSON, 400),
        (b"{}", JSON, 400),
        (b'{"advance_s": 1, "rate": 2}', JSON, 400),
        (b'{"advance_s": "1h"}', JSON, 400),
        (b'{"advance_s": -1}', JSON, 400),
        (b'{"advance": "soon"}', JSON, 400),
        (b'{"rate": -1}', JSON, 400),
        (b'{"stopped": 1}', JSON, 400),
        (b'{"real": true}', JSON, 400),
        (b" " * 70_000, JSON, 400),
    ],
)
def test_what_is_refused_moves_nothing(
    server: PrivateServer, body: bytes, headers: dict[str, str], status: int
) -> None:
    moved(server, stopped=True)
    before = moved(server, advance_s=1)["now_s"]
    assert asked(server, body, headers)[0] == status
    assert asked(server)[1]["now_s"] == before


def test_rows_have_the_clocks_time_and_signed_urls_real_time(server: PrivateServer) -> None:
    ahead_s = moved(server, advance="30d")["ahead_s"]
    assert ahead_s > 29 * 24 * HOUR_S
    s3 = client(server, "s3")
    s3.create_bucket(Bucket="later")
    s3.put_object(Bucket="later", Key="a", Body=b"1")
    written = s3.head_object(Bucket="later", Key="a")["LastModified"]
    assert (written - datetime.now(UTC)).days >= 29
    url = s3.generate_presigned_url("get_object", {"Bucket": "later", "Key": "a"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"1"
        sent = parsedate_to_datetime(answer.headers["date"])
    assert abs(sent.timestamp() - time.time()) < HOUR_S


def test_signatures_and_sessions_are_on_real_time(tmp_path: Path) -> None:
    with PrivateServer(tmp_path, ("--verify-signatures",)) as checking:
        session = boto3.Session()
        path = tmp_path / ROOT_CREDENTIALS_FILE
        lines = dict(line.split(" = ") for line in path.read_text().splitlines()[1:])
        for move in ({"advance": "24h"}, {"stopped": True}):
            moved(checking, **move)
            identity = session.client(
                "sts", endpoint_url=checking.endpoint, region_name=REGION, **lines
            )
            token = identity.get_session_token(DurationSeconds=900)["Credentials"]
            assert abs(token["Expiration"].timestamp() - time.time() - 900) < 60
            keys = ("AccessKeyId", "SecretAccessKey", "SessionToken")
            own = dict(
                zip(
                    ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
                    (token[key] for key in keys),
                    strict=True,
                )
            )
            moved(checking, advance="24h")
            assert client(checking, "sts", **own).get_caller_identity()["Account"]


def test_the_clock_survives_kill_9(server: PrivateServer) -> None:
    moved(server, stopped=True)
    before = moved(server, advance="7d")["now_s"]
    crash(server)
    assert asked(server)[1]["now_s"] == before
    moved(server, rate=1)
    crash(server)
    shown = asked(server)[1]
    assert shown["now_s"] >= before
    assert not shown["real"]


def test_a_server_starts_with_a_clock(tmp_path: Path) -> None:
    first = ("--clock", "stopped@2026-01-01T00:00:00Z")
    with PrivateServer(tmp_path, first) as stopped:
        assert asked(stopped)[1]["now"] == "2026-01-01T00:00:00+00:00"
        sagebrush = Sagebrush(stopped)
        assert sagebrush.advance("1h30m")["now"] == "2026-01-01T01:30:00+00:00"
        assert sagebrush.advance(30)["now"] == "2026-01-01T01:30:30+00:00"
        # A clock that is behind real time may become real.
        assert sagebrush.clock(real=True)["real"]
        sagebrush.reset()
        assert asked(stopped)[1]["now"] == "2026-01-01T00:00:00+00:00"
        moved(stopped, real=True)
    # Time has passed there: it does not begin again.
    with pytest.raises(LaunchError, match="never goes backwards"), PrivateServer(tmp_path, first):
        pass
    with PrivateServer(tmp_path, ("--clock", "x60")) as fast:
        assert asked(fast)[1]["rate"] == 60
    with PrivateServer(tmp_path) as again:
        assert asked(again)[1]["rate"] == 60


def test_a_step_lets_alarms_see_every_minute(server: PrivateServer) -> None:
    cloudwatch = client(server, "cloudwatch", aws_access_key_id="430000000000")
    moved(server, stopped=True)
    now = asked(server)[1]["now_s"]
    cloudwatch.put_metric_alarm(
        AlarmName="high",
        Namespace="N",
        MetricName="M",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    stamp = datetime.fromtimestamp(now, UTC)
    data = [{"MetricName": "M", "Value": 5, "Timestamp": stamp}]
    cloudwatch.put_metric_data(Namespace="N", MetricData=data)
    # The alarm goes on and, an hour later, is over: both have happened within one step.
    assert moved(server, advance="1h")["moments"] >= 30
    history = cloudwatch.describe_alarm_history(AlarmName="high", HistoryItemType="StateUpdate")
    items = history["AlarmHistoryItems"]
    turns = [json.loads(item["HistoryData"])["newState"]["stateValue"] for item in items][::-1]
    assert turns[-2:] == ["ALARM", "OK"]
    times = [item["Timestamp"].timestamp() - now for item in items][::-1]
    assert 0 <= times[-2] <= 180
    assert times[-2] < times[-1] <= 15 * 60


def test_refusals_name_what_there_is(server: PrivateServer) -> None:
    with pytest.raises(ClientError):
        client(server, "sagemaker").describe_endpoint(EndpointName="none")
    request = urllib.request.Request(f"{server.endpoint}/_sagebrush/clock", method="DELETE")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 405
    assert "only GET and POST" in json.load(caught.value)["message"]
