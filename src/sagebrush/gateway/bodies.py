"""Request bodies freed of what transport put around them: aws-chunked framing, compression."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from sagebrush.base.errors import ApiError
from sagebrush.base.streams import ByteStream
from sagebrush.gateway.authentication import Authenticator
from sagebrush.gateway.messages import Request
from sagebrush.services.platform import Context
from sagebrush.wire.model import Operation

_STREAMING = "STREAMING-"
_streams: dict[Operation, bool] = {}


def streams_input(operation: Operation) -> bool:
    """Whether the operation's handler takes its body as a stream."""
    known = _streams.get(operation)
    if known is None:
        member = operation.streaming_input
        shape = operation.input
        known = bool(
            member is not None
            and shape is not None
            and shape.members[member].traits.get("streaming")
        )
        _streams[operation] = known
    return known


def is_encoded(request: Request) -> bool:
    """Whether the body on the wire is not the body that was meant."""
    headers = request.headers
    return "gzip" in headers.get("content-encoding", "") or headers.get(
        "x-amz-content-sha256", ""
    ).startswith(_STREAMING)


def decoded_body(request: Request, authenticator: Authenticator, context: Context) -> ByteStream:
    """Return the body as its handler shall see it."""
    if request.headers.get("x-amz-content-sha256", "").startswith(_STREAMING):
        return authenticator.unframed(request, context)
    if context.service != "s3" and request.headers.get("content-encoding") == "gzip":
        return _Inflated(request.body)
    return request.body


async def read_whole(body: ByteStream, limit_bytes: int) -> bytes | None:
    """Return the whole body, or None when it is longer than `limit_bytes`."""
    parts: list[bytes] = []
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > limit_bytes:
            return None
        parts.append(chunk)
    return b"".join(parts)


class _Inflated:
    """A body that the client compressed, as current SDKs do for large metric data."""

    def __init__(self, source: ByteStream) -> None:
        self._source = source
        self.length: int | None = None
        self.trailers: dict[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        inflater = zlib.decompressobj(wbits=31)
        try:
            async for chunk in self._source:
                yield inflater.decompress(chunk)
            yield inflater.flush()
        except zlib.error as error:
            raise ApiError(
                "SerializationException", f"The body is not valid gzip: {error}", status=400
            ) from None
