"""Faults strike whom they are for, as often as they shall, and survive their server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.fleets.errors import ServerLostError, ServerTimeoutError
from sagebrush.engines.fleets.exposure import Exposure, streamed
from sagebrush.engines.injection import FaultError, Injection
from sagebrush.store.database import Database

ACCOUNT = "000000000000"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "state.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def injection(database: Database, clock: ManualClock) -> Injection:
    return Injection(database, clock)


def throttled(injection: Injection, target: str, account: str = ACCOUNT) -> bool:
    return injection.strike(injection.operations, account, target) is not None


def test_without_faults_the_lists_that_requests_look_at_are_empty(injection: Injection) -> None:
    assert [*injection.operations, *injection.models] == []
    assert [*injection.capacity, *injection.interruptions] == []
    assert injection.shown() == []


@pytest.mark.parametrize(
    ("pattern", "target", "strikes"),
    [
        ("sagemaker:Describe*", "sagemaker:DescribeModel", True),
        ("sagemaker:Describe*", "sagemaker:ListModels", False),
        ("*:*", "s3:PutObject", True),
        ("s3:PutObject", "s3:putobject", False),
    ],
)
def test_operations(injection: Injection, pattern: str, target: str, strikes: bool) -> None:
    injection.add({"kind": "throttle", "target": pattern})
    assert throttled(injection, target) is strikes


@pytest.mark.parametrize(
    ("pattern", "strikes"),
    [
        ("endpoint/churn", True),
        ("endpoint/churn/blue", True),
        ("endpoint/churn/green", False),
        ("endpoint/ch*", True),
        ("endpoint/*/blue", True),
        ("endpoint/chur", False),
        ("transform-job/churn", False),
    ],
)
def test_models(injection: Injection, pattern: str, strikes: bool) -> None:
    injection.add({"kind": "model-error", "target": pattern})
    found = injection.strike(injection.models, ACCOUNT, "endpoint/churn/blue")
    assert (found is not None) is strikes


def test_times(injection: Injection) -> None:
    injection.add({"kind": "throttle", "target": "s3:*", "times": 2})
    assert [throttled(injection, "s3:GetObject") for _ in range(4)] == [True, True, False, False]
    assert injection.operations == []  # requests pay nothing any more
    (shown,) = injection.shown()
    assert (shown["struck"], shown["over"]) == (2, True)


def test_a_duration_is_on_the_clock(injection: Injection, clock: ManualClock) -> None:
    injection.add({"kind": "throttle", "target": "s3:*", "for_s": 60})
    clock.advance(59)
    assert throttled(injection, "s3:GetObject")
    clock.advance(1)
    assert not throttled(injection, "s3:GetObject")


def test_an_account_of_its_own(injection: Injection) -> None:
    injection.add({"kind": "throttle", "target": "s3:*", "account": "1111*"})
    assert throttled(injection, "s3:GetObject", "111122223333")
    assert not throttled(injection, "s3:GetObject")


@pytest.mark.parametrize(
    ("pattern", "struck"),
    [
        ("training-job/a", ["training-job/a/ml.m5.large", "training-job/a/ml.c5.large"]),
        ("training-job/*/ml.m5.*", ["training-job/a/ml.m5.large", "training-job/b/ml.m5.large"]),
        ("training-job/b/ml.m5.large", ["training-job/b/ml.m5.large"]),
        ("training-job/a/ml", []),
    ],
)
def test_a_target_may_name_an_instance_type(
    injection: Injection, pattern: str, struck: list[str]
) -> None:
    injection.add({"kind": "capacity", "target": pattern})
    every = [f"training-job/{n}/ml.{t}.large" for n in ("a", "b") for t in ("m5", "c5")]
    found = [each for each in every if injection.strike(injection.capacity, ACCOUNT, each)]
    assert sorted(found) == sorted(struck)


def test_a_seed_draws_the_same_again(injection: Injection) -> None:
    def draws(seed: int) -> list[bool]:
        fault = {"kind": "throttle", "target": "s3:*", "probability": 0.5, "seed": seed}
        identifier = injection.add(fault)["id"]
        found = [throttled(injection, "s3:GetObject") for _ in range(40)]
        injection.remove(identifier)
        return found

    first = draws(7)
    assert first == draws(7) != draws(8)
    assert 5 < sum(first) < 35


def test_faults_survive_their_server(
    injection: Injection, database: Database, clock: ManualClock
) -> None:
    fault = {"kind": "throttle", "target": "s3:*", "times": 5, "probability": 0.5, "seed": 1}
    injection.add(fault)
    injection.add({"kind": "model-delay", "target": "endpoint/a", "delay_s": 0.5})
    expected = Injection(database, clock)
    draws = [throttled(injection, "s3:GetObject") for _ in range(3)]
    assert draws == [throttled(expected, "s3:GetObject") for _ in range(3)]
    again = Injection(database, clock)
    assert again.shown() == injection.shown()
    assert [fault["kind"] for fault in again.shown()] == ["throttle", "model-delay"]
    again.clear()
    assert Injection(database, clock).shown() == []


def test_remove_switches_one_off(injection: Injection) -> None:
    gone = injection.add({"kind": "throttle", "target": "s3:*"})["id"]
    injection.add({"kind": "error", "target": "logs:*"})
    assert injection.remove(gone)["kind"] == "throttle"
    assert not throttled(injection, "s3:GetObject")
    assert [fault["kind"] for fault in injection.shown()] == ["error"]
    with pytest.raises(FaultError, match="there is no fault"):
        injection.remove(gone)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, '"kind" takes a text'),
        ({"kind": "flood", "target": "x"}, '"kind" is one of model-crash'),
        ({"kind": "throttle"}, '"target" takes a text'),
        ({"kind": "throttle", "target": "endpoint/a"}, "such as sagemaker:"),
        ({"kind": "capacity", "target": "s3:*"}, "such as endpoint/NAME"),
        ({"kind": "capacity", "target": "endpoint/"}, "such as endpoint/NAME"),
        ({"kind": "spot-interruption", "target": "endpoint/a"}, "such as training-job/NAME"),
        (
            {"kind": "model-delay", "target": "endpoint/a"},
            'needs "delay_s" (on the command line: --delay',
        ),
        ({"kind": "throttle", "target": "s3:*", "delay_s": 1}, "takes no delay_s"),
        ({"kind": "throttle", "target": "s3:*", "times": 0}, '"times" cannot be 0'),
        ({"kind": "throttle", "target": "s3:*", "times": True}, '"times" cannot be True'),
        ({"kind": "throttle", "target": "s3:*", "probability": 2}, '"probability" cannot be 2'),
        ({"kind": "throttle", "target": "s3:*", "for_s": "1h"}, "\"for_s\" cannot be '1h'"),
        ({"kind": "error", "target": "s3:*", "status": 200}, '"status" cannot be 200'),
    ],
)
def test_what_is_no_fault_is_refused(
    injection: Injection, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(FaultError) as caught:
        injection.add(given)
    assert message in str(caught.value)
    assert injection.shown() == []


def test_an_interruption_comes_to_who_waits_for_it(injection: Injection) -> None:
    async def interrupt() -> tuple[str, bool]:
        mine = asyncio.create_task(injection.interruption(ACCOUNT, "training-job/a"))
        other = asyncio.create_task(injection.interruption(ACCOUNT, "training-job/b"))
        await asyncio.sleep(0)
        injection.add({"kind": "throttle", "target": "s3:*"})
        await asyncio.sleep(0)
        assert not mine.done()
        injection.add({"kind": "spot-interruption", "target": "training-job/a"})
        fault = await asyncio.wait_for(mine, 5)
        again = asyncio.create_task(injection.interruption(ACCOUNT, "training-job/a"))
        for _ in range(3):
            await asyncio.sleep(0)
        done = other.done() or again.done()  # once is all, unless told otherwise
        other.cancel()
        again.cancel()
        return fault.kind, done

    assert asyncio.run(interrupt()) == ("spot-interruption", False)


def suffered(injection: Injection, timeout_s: float = 5.0) -> tuple[Any, int]:
    """Return what a request gets instead of an answer, and how often its server was killed."""
    exposure = Exposure(injection, ACCOUNT, "endpoint/a/blue")
    deaths = []

    async def die() -> None:
        deaths.append(1)

    answer = asyncio.run(exposure.suffer(die, timeout_s))
    assert exposure.delayed == 0
    return answer, len(deaths)


def test_a_model_suffers_one_of_each_kind(injection: Injection) -> None:
    injection.add({"kind": "model-delay", "target": "endpoint/a", "delay_s": 0.01})
    injection.add({"kind": "model-crash", "target": "endpoint/a"})
    injection.add({"kind": "model-error", "target": "endpoint/a", "status": 418, "message": "no"})
    injection.add({"kind": "model-error", "target": "endpoint/a", "status": 500})
    with pytest.raises(ServerLostError):
        suffered(injection)
    answer, deaths = suffered(injection)
    assert (answer.status, answer.body, deaths) == (418, b"no", 0)
    assert [fault["struck"] for fault in injection.shown()] == [2, 1, 2, 0]


def test_a_crash_kills(injection: Injection) -> None:
    injection.add({"kind": "model-crash", "target": "endpoint/a"})
    deaths = []

    async def die() -> None:
        deaths.append(1)

    exposure = Exposure(injection, ACCOUNT, "endpoint/a/blue")
    with pytest.raises(ServerLostError):
        asyncio.run(exposure.suffer(die, 5.0))
    assert deaths == [1]


def test_a_model_slower_than_it_may_be_times_out(injection: Injection) -> None:
    injection.add({"kind": "model-delay", "target": "endpoint/a", "delay_s": 60})
    with pytest.raises(ServerTimeoutError):
        suffered(injection, timeout_s=0.01)


def test_a_model_that_nothing_strikes_answers_itself(injection: Injection) -> None:
    injection.add({"kind": "model-error", "target": "endpoint/b"})
    assert suffered(injection) == (None, 0)


def test_an_injected_answer_streams_too(injection: Injection) -> None:
    injection.add({"kind": "model-error", "target": "endpoint/a", "status": 503, "message": "no"})
    answer, _ = suffered(injection)
    passed_on = streamed(answer)
    assert (passed_on.status, passed_on.headers["content-type"]) == (503, "text/plain")
    assert asyncio.run(passed_on.whole(5.0)) == b"no"
