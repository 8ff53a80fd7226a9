"""Several containers, many models: who is asked, who is refused, what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import Answer, Instance, ServerLostError, Variant
from sagebrush.services.minute_sums import minute_sums_of
from sagebrush.services.sagemaker_runtime.container_metrics import count_containers
from sagebrush.services.sagemaker_runtime.exchanges import Exchange, Reply
from sagebrush.services.served import LoadRefusedError, Served, ServedContainer

ANSWERS = {"first": b"one", "second": b"two"}


class Server:
    """Answers with its word."""

    healthy = True
    outstanding = 0

    def __init__(self, word: bytes) -> None:
        self.answer = Answer(200, {"content-type": "t/t"}, word)
        self.incarnation = 1
        self.asked: list[bytes] = []
        self.is_replaced = False

    async def request(self, message: bytes, timeout_s: float) -> Answer:
        self.asked.append(message)
        self.incarnation += self.is_replaced
        return self.answer


class Models:
    """Loads every model but those it refuses."""

    def __init__(self) -> None:
        self.in_use = 0
        self.refuses: LoadRefusedError | None = None

    def choose(self, variant: Variant, instance: Instance, model: str) -> Instance:
        return variant.instances[-1]

    @asynccontextmanager
    async def use(self, instance: Instance, model: str) -> AsyncIterator[str]:
        if self.refuses is not None:
            raise self.refuses
        self.in_use += 1
        yield f"hash-of-{model}"
        self.in_use -= 1


def variant_of(*names: str, models: Any = None, direct: bool = False) -> Variant:
    """Return a variant of two instances; the last container has the models."""
    served = Served(
        *("111122223333", "us-east-1", "e", "config", {}, {}),
        tuple(
            ServedContainer(name, name, {}, models if name == names[-1] else None) for name in names
        ),
        direct,
    )
    instances = [
        Instance(number, {name: Server(name.encode()) for name in names}, f"key-{number}")  # type: ignore[misc]
        for number in range(2)
    ]
    return Variant("v", 1.0, instances, traits=served)


def ask(variant: Variant, **request: Any) -> tuple[Reply, Exchange]:
    exchange = Exchange({"Body": b"start"} | request, "id-1")
    return asyncio.run(exchange(variant, variant.instances[0])), exchange


def refusal(variant: Variant, **request: Any) -> str:
    with pytest.raises(ApiError) as caught:
        ask(variant, **request)
    assert caught.value.code == "ValidationError"
    return caught.value.message


def asked(variant: Variant, number: int, name: str) -> list[bytes]:
    server: Any = variant.instances[number].servers[name]
    return list(server.asked)


def test_a_pipeline_answers_with_its_last_container() -> None:
    variant = variant_of("first", "second")
    reply, exchange = ask(variant, ContentType="text/csv", Accept="a/b", CustomAttributes="c")
    assert (reply.answer.body, reply.container) == (b"second", "second")
    assert [name for name, _ in reply.latencies] == ["first", "second"]
    assert exchange.instance_key == "key-0"
    (message,) = asked(variant, 0, "second")
    assert message.endswith(b"\r\n\r\nfirst")
    assert b"accept: a/b" in message
    assert b"custom-attributes: c" in message


def test_a_direct_invocation_asks_one_container() -> None:
    variant = variant_of("first", "second", direct=True)
    reply, _ = ask(variant, TargetContainerHostname="second")
    assert (reply.answer.body, reply.container) == (b"second", "second")
    assert asked(variant, 0, "first") == []


def test_a_model_is_asked_where_it_is() -> None:
    models = Models()
    for variant in (variant_of("only", models=models), variant_of("a", "only", models=models)):
        reply, exchange = ask(variant, TargetModel="m.tar.gz", ContentType="text/csv")
        assert reply.answer.body == b"only"
        assert exchange.instance_key == "key-1"
        (message,) = asked(variant, 1, "only")
        assert message.startswith(b"POST /models/hash-of-m.tar.gz/invoke HTTP/1.1\r\n")
        assert b"x-amzn-sagemaker-target-model: m.tar.gz\r\n" in message
        assert models.in_use == 0


def test_a_refused_model_is_the_containers_answer() -> None:
    models = Models()
    models.refuses = LoadRefusedError(Answer(500, {}, b"bad model"))
    reply, _ = ask(variant_of("a", "only", models=models), TargetModel="m")
    assert (reply.answer.status, reply.answer.body, reply.container) == (500, b"bad model", "only")


def test_a_model_lost_with_its_process_is_asked_again() -> None:
    variant = variant_of("only", models=Models())
    server: Any = variant.instances[1].sole
    server.answer = Answer(404, {}, b"not loaded")
    reply, _ = ask(variant, TargetModel="m")
    assert reply.answer.status == 404
    server.is_replaced = True
    with pytest.raises(ServerLostError):
        ask(variant, TargetModel="m")


def test_targets_that_a_variant_has_not() -> None:
    single, series = variant_of("only"), variant_of("a", "b")
    direct = variant_of("a", "b", direct=True, models=Models())
    many = variant_of("only", models=Models())
    for variant in (single, series):
        assert refusal(variant, TargetModel="m") == (
            "Endpoint e is not a multi-model endpoint and does not support target model header."
        )
    for variant in (single, series, many):
        assert refusal(variant, TargetContainerHostname="a") == (
            "Endpoint e is not a multi-container endpoint with direct invocation and does not"
            " support target container hostname header."
        )
    assert refusal(many) == "Request id-1 is missing a target model header."
    assert refusal(direct) == "Request id-1 is missing a target container hostname header."
    assert refusal(direct, TargetContainerHostname="c") == (
        "Container c is not found in endpoint e."
    )
    assert refusal(direct, TargetContainerHostname="b") == (
        "Request id-1 is missing a target model header."
    )
    assert "is not a multi-model endpoint" in refusal(
        direct, TargetContainerHostname="a", TargetModel="m"
    )
    assert ask(direct, TargetContainerHostname="b", TargetModel="m")[0].container == "b"


@pytest.mark.parametrize(
    ("direct", "names"),
    [
        (False, {"ContainerLatency"}),
        (
            True,
            {
                "ContainerLatency",
                "Invocations",
                "Invocation4XXErrors",
                "Invocation5XXErrors",
                "OverheadLatency",
            },
        ),
    ],
)
def test_metrics_of_containers(handlers: Any, direct: bool, names: set[str]) -> None:
    served = variant_of("first", "second", direct=direct).traits
    reply = Reply(Answer(404, {}, b""), "first", (("first", 0.25),))
    found: dict[str, float] = {}

    async def count() -> None:
        context = handlers._context("sagemaker-runtime", "InvokeEndpoint")
        count_containers(context, served, "v", reply, 0.75)
        minute_sums_of(handlers.platform).flush()
        place = context.account, context.region
        for series in handlers.platform.metrics.series(*place, namespace="AWS/SageMaker"):
            assert series.dimensions == {
                "EndpointName": "e",
                "VariantName": "v",
                "ContainerName": "first",
            }
            (bucket,) = handlers.platform.metrics.statistics(
                *place,
                *("AWS/SageMaker", series.name, series.dimensions),
                start=0,
                end=context.now + 60,
                period_s=60,
            )
            found[series.name] = bucket.sum

    asyncio.run(count())
    assert set(found) == names
    assert found["ContainerLatency"] == 250_000.0
    assert found.get("OverheadLatency", 500_000.0) == 500_000.0
    assert found.get("Invocation4XXErrors", 1.0) == 1.0
    assert found.get("Invocation5XXErrors", 0.0) == 0.0
