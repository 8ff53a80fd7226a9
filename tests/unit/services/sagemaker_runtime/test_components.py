"""Where invocations of components go, and what is said when they go nowhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import NoSuchFleetError
from sagebrush.services.sagemaker_runtime import components
from sagebrush.services.sagemaker_runtime.request_metrics import Outcome, Place, RequestMetrics

ENDPOINT = "111122223333/us-east-1/e"


class Fleets:
    """Components by address, with how many copies each fleet of theirs has."""

    def __init__(self, **copies: list[int]) -> None:
        self._copies = copies
        self.addresses = [ENDPOINT]

    def routers(self, address: str) -> list[Any]:
        name = address.rpartition("#")[2]
        if name not in self._copies:
            raise NoSuchFleetError(address)
        return [
            SimpleNamespace(variants=[SimpleNamespace(instances=[object()] * number)])
            for number in self._copies[name]
        ]


class Sums:
    """Remembers what is counted."""

    def __init__(self) -> None:
        self.added: list[tuple[Any, float]] = []

    def add(self, series: Any, now: float, value: float) -> None:
        self.added.append((series, value))


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> Sums:
    found = Sums()
    monkeypatch.setattr(components, "minute_sums_of", lambda platform: found)
    return found


def context(**copies: list[int]) -> Any:
    platform = SimpleNamespace(fleets=Fleets(**copies))
    return SimpleNamespace(platform=platform, account="111122223333", region="us-east-1", now=9.0)


def request(component: str = "c", endpoint: str = "e") -> dict[str, Any]:
    return {"EndpointName": endpoint, "InferenceComponentName": component}


@pytest.mark.parametrize("copies", [[1], [0, 1], []])
def test_a_component_has_an_address_of_its_own(sums: Sums, copies: list[int]) -> None:
    # Without a fleet, the copies of a server that was started again are only coming back.
    found = components.address_of_component(context(c=copies), request(), ENDPOINT)
    assert found == f"{ENDPOINT}#c"
    assert not sums.added


def test_a_component_without_copies_has_no_capacity(sums: Sums) -> None:
    with pytest.raises(ApiError) as caught:
        components.address_of_component(context(c=[0]), request(), ENDPOINT)
    assert caught.value.code == "ValidationError"
    assert caught.value.message.startswith("Inference Component has no capacity to process")
    ((series, value),) = sums.added
    assert (series.name, value) == ("NoCapacityInvocationFailures", 1.0)
    assert series.dimensions == (("InferenceComponentName", "c"),)


def test_what_there_is_not(sums: Sums) -> None:
    for given, address, words in (
        (request("other"), ENDPOINT, "Inference component other is not found in endpoint e."),
        (request("other", "gone"), "x/y/gone", "Endpoint gone of account 111122223333 not found."),
    ):
        with pytest.raises(ApiError) as caught:
            components.address_of_component(context(c=[1]), given, address)
        assert (caught.value.code, caught.value.message) == ("ValidationError", words)
    said = components.no_component(context(), {"EndpointName": "e"}).message
    assert said.startswith("Inference Component Name header is required for endpoints to which")
    # Deleted while the request was on its way.
    assert "is not found in endpoint e" in components.no_component(context(), request()).message


def test_metrics_are_told_by_component(handlers: Any) -> None:
    stored: list[tuple[str, dict[str, str], Any]] = []

    class Store:
        def put(self, account: str, region: str, namespace: str, data: Any) -> None:
            assert (account, region, namespace) == ("a", "r", "AWS/SageMaker")
            stored.extend((each.name, each.dimensions, each.statistics) for each in data)

    own_platform = handlers.platform
    platform: Any = SimpleNamespace(
        metrics=Store(), db=own_platform.db, settings=own_platform.settings
    )
    metrics = RequestMetrics(platform)
    place = Place("a", "r", "e", "v", "config", "c")
    for concurrent in (1, 4):
        metrics.count(place, 60.0, Outcome(200, 0.001, 0.002, 2, concurrent))
    metrics.flush()
    own = {
        name: sums for name, dimensions, sums in stored if "InferenceComponentName" in dimensions
    }
    assert own["Invocations"].sum == 2
    assert own["InvocationsPerCopy"].sum == 1.0
    assert own["ConcurrentRequestsPerModel"].maximum == 4
    assert own["ConcurrentRequestsPerCopy"].minimum == 0.5
    assert "InvocationsPerInstance" not in own
    others = {name for name, dimensions, _ in stored if dimensions.get("EndpointName") == "e"}
    assert {"Invocations", "ModelLatency"} <= others
    assert not {"InvocationsPerCopy", "InvocationsPerInstance"} & others
