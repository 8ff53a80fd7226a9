"""Request bodies freed of what transport put around them: aws-chunked framing, compression."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from sagebrush.base.errors import ApiError
from sagebrush.base.streams import ByteStream
from sagebrush.gateway.messages import Request
from sagebrush.gateway.signatures import with_signed_hash
from sagebrush.wire.chunked import ChunkedDecoder, ChunkedError
from sagebrush.wire.model import Operation
from sagebrush.wire.sigv4 import ChunkVerifier, SignatureError, Verified

_STREAMING = "STREAMING-"
_SIGNED_STREAMING = "STREAMING-AWS4-"
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


def decoded_body(
    request: Request, service: str, verified: Verified | None, source: ByteStream | None = None
) -> ByteStream:
    """Return the body as its handler shall see it.

    `verified` is None when nothing is checked; `source` replaces a body that was read already.
    """
    body = request.body if source is None else source
    stated = request.headers.get("x-amz-content-sha256", "")
    if stated.startswith(_STREAMING):
        signed = verified is not None and stated.startswith(_SIGNED_STREAMING)
        verifier = ChunkVerifier(verified) if signed and verified is not None else None
        length = request.headers.get("x-amz-decoded-content-length", "")
        return _Unframed(body, verifier, int(length) if length.isdigit() else None)
    if service != "s3" and request.headers.get("content-encoding") == "gzip":
        return _Inflated(body)
    return body if verified is None else with_signed_hash(body, verified)


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


class _Unframed:
    """A body out of its aws-chunked frame; the trailers are its own."""

    def __init__(
        self, source: ByteStream, verifier: ChunkVerifier | None, length: int | None
    ) -> None:
        self._source = source
        self._decoder = ChunkedDecoder(verifier)
        self.length = length
        self.trailers = self._decoder.trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        decoder = self._decoder
        try:
            async for framed in self._source:
                for chunk in decoder.feed(framed):
                    yield chunk
            decoder.finish()
        except ChunkedError as error:
            raise ApiError(
                "IncompleteBody", f"The body is malformed: {error}", status=400
            ) from None
        except SignatureError:
            raise ApiError(
                "SignatureDoesNotMatch", "The signature of a chunk does not match.", status=403
            ) from None
        if self.length is not None and decoder.decoded_bytes != self.length:
            raise ApiError(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the"
                " x-amz-decoded-content-length HTTP header",
                status=400,
            )


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
