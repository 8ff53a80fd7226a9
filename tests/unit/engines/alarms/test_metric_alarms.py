"""Metric alarms on the clock: every transition, every operator, late data, what they say."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.engines.metrics import MetricDatum, StatisticSet

from .conftest import ACCOUNT, REGION, SCALING, START, TOPIC, World

Play = Callable[[Callable[[], Any]], None]


def test_every_transition(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm()
        assert world.state() == "INSUFFICIENT_DATA"
        for value, state in ((1.0, "OK"), (9.0, "ALARM"), (1.0, "OK")):
            world.put(value)
            await world.pass_time(60)
            assert world.state() == state
        # The last point stays in the evaluation range of three periods for two more minutes.
        await world.pass_time(120)
        assert world.state() == "OK"
        await world.pass_time(60)
        assert world.state() == "INSUFFICIENT_DATA"
        world.put(9.0)
        await world.pass_time(60)
        assert world.state() == "ALARM"
        await world.pass_time(180)

    play(scene)
    states = ["INSUFFICIENT_DATA", "OK", "ALARM", "OK", "INSUFFICIENT_DATA", "ALARM"]
    states.append("INSUFFICIENT_DATA")
    pairs = list(itertools.pairwise(states))
    assert world.transitions == [("a", old, new) for old, new in pairs]


def test_a_new_alarm_looks_at_what_was_there_before(world: World, play: Play) -> None:
    async def scene() -> None:
        world.put(9.0, ago_s=60)
        world.alarm()
        await world.settle()
        assert world.state() == "ALARM"

    play(scene)


def test_m_out_of_n(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
        states = []
        for value in (1.0, 9.0, 1.0, 9.0, 1.0, 1.0):
            world.put(value)
            await world.pass_time(60)
            states.append(world.state())
        assert states == ["OK", "OK", "OK", "ALARM", "OK", "OK"]

    play(scene)


@pytest.mark.parametrize(
    ("operator", "alarming"),
    [
        ("GreaterThanThreshold", [9.0]),
        ("GreaterThanOrEqualToThreshold", [5.0, 9.0]),
        ("LessThanThreshold", [1.0]),
        ("LessThanOrEqualToThreshold", [1.0, 5.0]),
    ],
)
def test_operators(world: World, play: Play, operator: str, alarming: list[float]) -> None:
    async def scene() -> None:
        world.alarm(ComparisonOperator=operator)
        found = []
        for value in (1.0, 5.0, 9.0):
            world.put(value)
            await world.pass_time(60)
            found += [value] if world.state() == "ALARM" else []
        assert found == alarming

    play(scene)


def test_a_window_slides_every_minute(world: World, play: Play) -> None:
    """A period of five minutes ends at each whole minute, not at multiples of five."""

    async def scene() -> None:
        world.alarm(Period=300, Statistic="Sum", Threshold=25.0)
        states = []
        for _ in range(4):
            world.put(9.0)
            await world.pass_time(60)
            states.append(world.state())
        assert states == ["OK", "OK", "ALARM", "ALARM"]

    play(scene)


def test_high_resolution_is_evaluated_every_ten_seconds(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(Period=10)
        world.alarm("slow")
        world.put(9.0, resolution_s=1)
        await world.pass_time(10)
        assert (world.state(), world.state("slow")) == ("ALARM", "INSUFFICIENT_DATA")
        world.put(1.0, resolution_s=1)
        await world.pass_time(10)
        assert world.state() == "OK"
        await world.pass_time(30)
        assert world.state() == "INSUFFICIENT_DATA"

    play(scene)


def test_late_data_is_seen(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm()
        await world.pass_time(60)
        assert world.state() == "INSUFFICIENT_DATA"
        await world.pass_time(30)
        world.put(9.0, ago_s=90)
        await world.pass_time(30)
        assert world.state() == "ALARM"

    play(scene)


def test_data_still_being_counted_is_stored_first(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm()
        world.metrics.before_read.append(lambda: world.put(9.0, ago_s=1))
        await world.pass_time(60)
        assert world.state() == "ALARM"

    play(scene)


def test_what_is_counted_is_not_stored_into_a_readers_transaction(world: World) -> None:
    world.metrics.before_read.append(lambda: world.put(9.0))
    with world.db.transaction():
        found = world.metrics.statistics(
            ACCOUNT, REGION, "N", "m", {}, start=0, end=2 * START, period_s=60
        )
    assert found == []


def test_units(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm("seconds", Unit="Seconds")
        world.alarm("bytes", Unit="Bytes")
        datum = MetricDatum("m", timestamp=world.clock.now(), value=9.0, unit="Seconds")
        world.metrics.put(ACCOUNT, REGION, "N", [datum])
        await world.pass_time(60)
        assert world.state("seconds") == "ALARM"
        assert world.state("bytes") == "INSUFFICIENT_DATA"

    play(scene)


def test_dynamodb_metrics_are_always_ignored_when_missing(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(Namespace="AWS/DynamoDB", TreatMissingData="breaching")
        await world.pass_time(120)
        assert world.state() == "INSUFFICIENT_DATA"

    play(scene)


@pytest.mark.parametrize(
    ("treatment", "state"),
    [
        ("missing", "INSUFFICIENT_DATA"),
        ("ignore", "ALARM"),
        ("breaching", "ALARM"),
        ("notBreaching", "OK"),
    ],
)
def test_when_data_stops(world: World, play: Play, treatment: str, state: str) -> None:
    async def scene() -> None:
        world.alarm(TreatMissingData=treatment)
        world.put(9.0)
        await world.pass_time(60)
        assert world.state() == "ALARM"
        await world.pass_time(180)
        assert world.state() == state

    play(scene)


@pytest.mark.parametrize(("low", "state"), [("evaluate", "ALARM"), ("ignore", "OK")])
def test_percentiles_of_few_samples(world: World, play: Play, low: str, state: str) -> None:
    async def scene() -> None:
        world.alarm(Statistic=None, ExtendedStatistic="p90", EvaluateLowSampleCountPercentile=low)
        many = MetricDatum("m", timestamp=world.clock.now(), values=[1.0], counts=[100.0])
        world.metrics.put(ACCOUNT, REGION, "N", [many])
        await world.pass_time(60)
        assert world.state() == "OK"
        few = MetricDatum("m", timestamp=world.clock.now(), values=[9.0], counts=[99.0])
        world.metrics.put(ACCOUNT, REGION, "N", [few])
        await world.pass_time(60)
        assert world.state() == state

    play(scene)


def test_what_it_says(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(EvaluationPeriods=2, DatapointsToAlarm=1, Unit="Count")
        summary = StatisticSet(4.0, 36.0, 9.0, 9.0)
        for ago_s in (120.0, 60.0):
            datum = MetricDatum("m", {}, START - ago_s, statistics=summary, unit="Count")
            world.metrics.put(ACCOUNT, REGION, "N", [datum])
        await world.pass_time(0.5, step_s=0.5)
        world.alarm(EvaluationPeriods=2, DatapointsToAlarm=1, Unit="Count")
        await world.settle()

    play(scene)
    alarm = world.find()
    assert alarm.reason == (
        "Threshold Crossed: 2 out of the last 2 datapoints [9.0 (14/11/23 22:13:00),"
        " 9.0 (14/11/23 22:12:00)] were greater than the threshold (5.0)"
        " (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert json.loads(alarm.reason_data) == {
        "version": "1.0",
        "queryDate": "2023-11-14T22:14:00.500+0000",
        "startDate": "2023-11-14T22:12:00.000+0000",
        "unit": "Count",
        "statistic": "Average",
        "period": 60,
        "recentDatapoints": [9.0, 9.0],
        "threshold": 5.0,
        "evaluatedDatapoints": [
            {"timestamp": "2023-11-14T22:13:00.000+0000", "sampleCount": 4.0, "value": 9.0},
            {"timestamp": "2023-11-14T22:12:00.000+0000", "sampleCount": 4.0, "value": 9.0},
        ],
    }
    assert (alarm.transitioned, alarm.updated) == (START + 0.5, START + 0.5)


def test_long_windows_keep_to_the_apis_lengths(world: World, play: Play) -> None:
    async def scene() -> None:
        for ago in range(1, 1300):
            world.put(9.123456789, ago_s=60.0 * ago)
        world.alarm(EvaluationPeriods=1200)
        await world.settle()

    play(scene)
    alarm = world.find()
    assert alarm.state == "ALARM"
    assert "The most recent datapoints which crossed the threshold" in alarm.reason
    assert len(alarm.reason) <= 1023
    assert len(alarm.reason_data) <= 4000
    assert all(len(item.data) <= 4095 for item in world.history())


def test_expressions(world: World, play: Play) -> None:
    """The engine takes what evaluates them; an error shows, and goes when it is gone."""
    from sagebrush.engines.alarms.evaluation import QueryError

    answers: list[dict[float, float] | None] = [None, {START + 60: 9.0}]

    def queries(*given: Any) -> dict[float, float]:
        assert given[0:2] == (ACCOUNT, REGION)
        answer = answers.pop(0)
        if answer is None:
            raise QueryError("wrong")
        return answer

    async def scene() -> None:
        world.alarms.evaluate_queries = queries
        stat = {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
        metrics = [{"Id": "m", "MetricStat": stat, "ReturnData": True}]
        request = {
            "AlarmName": "a",
            "Metrics": metrics,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        world.alarms.put_metric_alarm(ACCOUNT, REGION, request)
        await world.settle()
        assert (world.state(), world.find().evaluation_state) == (
            "INSUFFICIENT_DATA",
            "EVALUATION_ERROR",
        )
        world.clock.advance(120)
        await world.settle()
        assert (world.state(), world.find().evaluation_state) == ("ALARM", None)

    play(scene)


def test_nothing_runs_without_alarms(world: World, play: Play) -> None:
    async def scene() -> None:
        assert not world.tasks
        world.alarm()
        await world.settle()
        assert [task.get_name() for task in world.tasks] == ["alarms"]
        world.alarms.delete(ACCOUNT, REGION, ["a"])
        await world.settle()
        assert not world.tasks

    play(scene)


def test_an_update_keeps_the_state_and_takes_the_new_threshold(world: World, play: Play) -> None:
    async def scene() -> None:
        world.put(9.0, ago_s=60)
        world.alarm(AlarmDescription="first")
        await world.settle()
        world.alarm(Threshold=10.0)
        assert world.state() == "ALARM"
        await world.settle()
        assert world.state() == "OK"
        assert "AlarmDescription" not in world.find().configuration

    play(scene)
    kinds = [(item.type, item.summary) for item in world.history()]
    assert kinds == [
        ("ConfigurationUpdate", 'Alarm "a" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("ConfigurationUpdate", 'Alarm "a" updated'),
        ("StateUpdate", "Alarm updated from ALARM to OK"),
    ]


def test_scaling_actions_come_again_every_minute_and_no_others(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(AlarmActions=[TOPIC, SCALING])
        for value in (9.0, 19.0, 29.0):
            world.put(value)
            await world.pass_time(60)

    play(scene)
    assert [(a.arn, a.repeated) for a in world.acted] == [
        (TOPIC, False),
        (SCALING, False),
        (SCALING, True),
        (SCALING, True),
    ]
    newest = json.loads(world.acted[-1].alarm.reason_data or "")
    assert newest["recentDatapoints"] == [29.0]


def test_a_day_of_five_alarms_is_evaluated_minute_by_minute(world: World, play: Play) -> None:
    async def scene() -> None:
        for number in range(5):
            world.alarm(f"a{number}")
        for minute in range(1440):
            world.put(9.0 if minute % 100 == 50 else 1.0)
            await world.pass_time(60, step_s=60)

    play(scene)
    # OK at first, then fourteen times ALARM and OK again, each.
    assert len(world.transitions) == 5 * (1 + 2 * 14)


def test_one_broken_alarm_does_not_stop_the_others(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm("a")
        world.alarm("b")
        broken = world.find("a")
        broken.configuration["ComparisonOperator"] = "Nonsense"
        world.alarms.store.write(broken)
        world.put(9.0)
        await world.pass_time(60)
        assert world.state("b") == "ALARM"

    play(scene)


def test_a_server_without_alarms_loads_only_the_front(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from sagebrush.base.clock import ManualClock
from sagebrush.engines.alarms import Alarms
from sagebrush.engines.metrics import MetricStore
from sagebrush.store.database import Database
db, clock = Database(Path({str(tmp_path / "db")!r})), ManualClock()
Alarms(db, clock, MetricStore(db, clock)).start(None)
print(*(name for name in sys.modules if name.startswith("sagebrush.engines.alarms")))
"""
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) == {"sagebrush.engines.alarms", "sagebrush.engines.alarms.alarms"}
