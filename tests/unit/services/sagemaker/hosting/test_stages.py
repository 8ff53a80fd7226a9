"""How DeploymentConfigs become steps, and which of them contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.hosting.guardrails.policies import check_policy
from sagebrush.services.sagemaker.hosting.guardrails.stages import (
    instances,
    rollback_share,
    stages_of,
)


def size(value: int, kind: str = "INSTANCE_COUNT") -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def percent(value: int) -> dict[str, Any]:
    return size(value, "CAPACITY_PERCENT")


def routed(kind: str, **fields: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": 60, **fields}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


def rolling(batch: dict[str, Any], **fields: Any) -> dict[str, Any]:
    policy = {"MaximumBatchSize": batch, "WaitIntervalInSeconds": 60, **fields}
    return {"RollingUpdatePolicy": policy}


@pytest.mark.parametrize(
    ("policy", "count", "expected"),
    [
        ({}, 4, [1]),
        (routed("ALL_AT_ONCE"), 4, [1]),
        (routed("CANARY", CanarySize=size(1)), 4, [1 / 4, 1]),
        (routed("CANARY", CanarySize=percent(30)), 3, [1 / 3, 1]),
        (routed("CANARY", CanarySize=percent(50)), 3, [1 / 3, 1]),
        (routed("CANARY", CanarySize=percent(30)), 1, [0.3, 1]),
        (routed("LINEAR", LinearStepSize=percent(50)), 4, [1 / 2, 1]),
        (routed("LINEAR", LinearStepSize=percent(33)), 3, [1 / 3, 2 / 3, 1]),
        (routed("LINEAR", LinearStepSize=percent(20)), 1, [0.2, 0.4, 0.6, 0.8, 1]),
        (routed("LINEAR", LinearStepSize=size(3)), 10, [0.3, 0.6, 0.9, 1]),
        # The developer guide's notebook: 33 % of three instances is one.
        (rolling(percent(33)), 3, [1 / 3, 2 / 3, 1]),
        (rolling(size(2)), 4, [1 / 2, 1]),
    ],
)
def test_shares_grow_by_whole_instances(policy: Any, count: int, expected: list[float]) -> None:
    stages = stages_of(policy, {"all": count})
    assert [stage.shares["all"] for stage in stages] == pytest.approx(expected)
    assert stages[-1].shares["all"] == 1.0


def test_waits_are_the_intervals_and_at_the_end_that_for_termination() -> None:
    policy = routed("LINEAR", LinearStepSize=percent(50))
    policy["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] = 7
    first, last = stages_of(policy, {"all": 2})
    assert (first.wait_s, first.waits_for) == (60, "WaitIntervalInSeconds")
    assert (last.wait_s, last.waits_for) == (7, "TerminationWaitInSeconds")
    assert [stage.wait_s for stage in stages_of(rolling(size(1)), {"all": 2})] == [60, 60]


def test_a_variant_that_is_whole_early_stays_so() -> None:
    policy = routed("LINEAR", LinearStepSize=percent(25))
    stages = stages_of(policy, {"large": 4, "small": 2, "none": 0})
    assert [stage.shares["small"] for stage in stages] == [0.5, 1.0, 1.0, 1.0]
    assert [stage.shares["none"] for stage in stages] == [0.25, 0.5, 0.75, 1.0]


@given(
    count=st.integers(1, 50),
    value=st.integers(10, 50),
    kind=st.sampled_from(["CAPACITY_PERCENT", "INSTANCE_COUNT"]),
)
def test_every_policy_ends_whole_and_never_steps_back(count: int, value: int, kind: str) -> None:
    given = size(max(1, count * value // 100) if kind == "INSTANCE_COUNT" else value, kind)
    shares = [stage.shares["all"] for stage in stages_of(rolling(given), {"all": count})]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0
    for share in shares:
        # What comes and what is left are never less than the traffic needs.
        assert instances(share, count) + instances(1 - share, count) >= count


@pytest.mark.parametrize(
    ("back", "expected"), [(None, 1.0), (size(1), 0.5), (percent(50), 0.75), (percent(100), 1.0)]
)
def test_batches_back_have_a_size_of_their_own(back: Any, expected: float) -> None:
    policy = rolling(size(1), **({} if back is None else {"RollbackMaximumBatchSize": back}))
    assert rollback_share(policy, 0.25, 4) == expected


def refusal(policy: Any, **counts: int) -> str:
    with pytest.raises(ApiError) as caught:
        check_policy(policy, counts or {"all": 4})
    assert caught.value.code == "ValidationException"
    return caught.value.message


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (routed("CANARY", CanarySize=percent(51)), "CanarySize must be at most 50%"),
        (routed("CANARY", CanarySize=size(3)), "3 of the 4 instance(s) of variant all is not"),
        (routed("CANARY"), "CanarySize is required"),
        (routed("ALL_AT_ONCE", CanarySize=size(1)), "CanarySize can only be specified"),
        (routed("LINEAR"), "LinearStepSize is required"),
        (routed("LINEAR", LinearStepSize=percent(9)), "must be between 10% and 50%"),
        (routed("LINEAR", LinearStepSize=percent(51)), "must be between 10% and 50%"),
        (
            routed("LINEAR", LinearStepSize=size(1), CanarySize=size(1)),
            "CanarySize can only be specified in TrafficRoutingConfiguration with Type CANARY",
        ),
        (rolling(percent(4)), "MaximumBatchSize must be between 5% and 50%"),
        (rolling(size(3)), "MaximumBatchSize must be between 5% and 50%"),
        (
            rolling(size(1), RollbackMaximumBatchSize=percent(101)),
            "RollbackMaximumBatchSize must be at most 100%",
        ),
        (rolling(size(1)) | routed("ALL_AT_ONCE"), "Only one update policy"),
    ],
)
def test_what_contradicts_itself_is_refused(policy: Any, words: str) -> None:
    assert words in refusal(policy)


def test_every_variant_has_to_have_room_for_a_size() -> None:
    policy = routed("LINEAR", LinearStepSize=size(1))
    check_policy(policy, {"a": 2, "b": 10})
    assert "variant b" in refusal(policy, a=2, b=11)


@pytest.mark.parametrize(
    ("kind", "timeout_s", "accepted"),
    [("CANARY", 660, False), ("CANARY", 661, True), ("ALL_AT_ONCE", 601, True)],
)
def test_the_time_limit_is_longer_than_the_waits(kind: str, timeout_s: int, accepted: bool) -> None:
    policy = routed(kind, **({"CanarySize": size(1)} if kind == "CANARY" else {}))
    policy["BlueGreenUpdatePolicy"] |= {
        "TerminationWaitInSeconds": 600,
        "MaximumExecutionTimeoutInSeconds": timeout_s,
    }
    if accepted:
        check_policy(policy, {"all": 4})
    else:
        assert "must be larger than the total waiting time" in refusal(policy)
