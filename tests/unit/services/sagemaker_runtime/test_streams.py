"""InvokeEndpointWithResponseStream: parts, errors before the stream, errors within it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import Instance, StreamedAnswer, Variant
from sagebrush.engines.fleets.channel import ChannelPool
from sagebrush.engines.fleets.fleets import Ask
from sagebrush.services.sagemaker_runtime import streams
from sagebrush.services.served import Served, ServedContainer

ACCOUNT = "111122223333"
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/plain\r\n\r\n"
Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server(ChannelPool):
    """A model server that is asked over a socket."""

    healthy = True


class Fleet:
    """One variant with one instance; `containers` are its names."""

    def __init__(self, socket: Path, containers: tuple[str, ...], *, direct: bool) -> None:
        self.addresses: list[str] = []
        served = Served(
            *(ACCOUNT, "us-east-1", "e", "config", {}, {}),
            tuple(ServedContainer(name, name, {}) for name in containers),
            direct,
        )
        servers: Any = {name: Server(socket) for name in containers}
        self._variant = Variant("blue", 1.0, [Instance(0, servers)], traits=served)

    async def invoke(
        self, address: str, ask: Ask[Any], *, target: str | None, instance_key: str | None
    ) -> tuple[Any, Variant]:
        assert (address, target, instance_key) == (f"{ACCOUNT}/us-east-1/e", None, None)
        return await ask(self._variant, self._variant.instances[0]), self._variant


def streamed(
    handlers: Any,
    text: bytes,
    containers: tuple[str, ...] = ("primary",),
    *,
    direct: bool = False,
    stays_open: bool = False,
    **request: Any,
) -> tuple[dict[str, Any], list[bytes]]:
    """Return what the operation answers, and the parts of the stream behind it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-type: text/csv" in head
        writer.write(text)
        await writer.drain()
        if stays_open:
            await reader.read()
        writer.close()

    async def story() -> tuple[dict[str, Any], list[bytes]]:
        with tempfile.TemporaryDirectory(prefix="stream-") as folder:
            socket = Path(folder, "model.sock")
            handlers.platform.fleets = Fleet(socket, containers, direct=direct)
            async with await asyncio.start_unix_server(serve, socket):
                context = handlers._context("sagemaker-runtime", "InvokeEndpointWithResponseStream")
                asked = {"EndpointName": "e", "ContentType": "text/csv", "Body": b""} | request
                told = await streams.invoke_endpoint_with_response_stream(context, asked)
                parts = [event["PayloadPart"]["Bytes"] async for event in told["Body"]]
                return told, parts

    return asyncio.run(story())


def failure(handlers: Any, text: bytes, *arguments: Any, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        streamed(handlers, text, *arguments, **options)
    return caught.value


def test_parts_are_passed_on(handlers: Any) -> None:
    told, parts = streamed(handlers, HEAD + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    assert b"".join(parts) == b"abc"
    assert (told["ContentType"], told["InvokedProductionVariant"]) == ("text/plain", "blue")


def test_a_model_error_comes_before_the_stream(handlers: Any) -> None:
    error = failure(handlers, b"HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\nruin")
    assert error.code == "ModelError"
    assert 'Received server error (500) from primary with message "ruin"' in error.message


def test_a_stream_that_breaks_says_so(handlers: Any) -> None:
    error = failure(handlers, HEAD + b"2\r\nab\r\n")
    assert error.code == "ModelStreamError"
    assert error.members["ErrorCode"] == "StreamBroken"


def test_a_stream_that_takes_too_long_is_broken_off(
    handlers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_STREAM_LIMIT_S", 0.02)
    error = failure(handlers, HEAD + b"2\r\nab\r\n", stays_open=True)
    assert error.code == "ModelStreamError"
    assert error.members["ErrorCode"] == "ModelInvocationTimeExceeded"


def test_a_defect_in_the_middle_is_told_as_an_event(
    handlers: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(StreamedAnswer, "parts", fail)
    error = failure(handlers, HEAD + b"2\r\nab\r\n")
    assert error.code == "InternalStreamFailure"
    assert "a defect" in caplog.text
    assert "a defect" not in error.message


def test_a_container_of_a_direct_endpoint_streams(handlers: Any) -> None:
    _, parts = streamed(
        handlers,
        HEAD + b"1\r\na\r\n0\r\n\r\n",
        ("one", "two"),
        direct=True,
        TargetContainerHostname="two",
    )
    assert parts == [b"a"]


def test_a_pipeline_does_not_stream(handlers: Any) -> None:
    error = failure(handlers, b"", ("one", "two"))
    assert error.code == "ValidationError"
    assert "InvokeEndpoint" in error.message
