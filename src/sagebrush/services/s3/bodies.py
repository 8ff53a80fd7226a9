"""Request bodies: received, checked against what the client declared, dropped on failure."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sagebrush.base.streams import ByteStream
from sagebrush.engines.objects import Blob, BytesStream, IncompleteBody
from sagebrush.services.platform import Context
from sagebrush.services.s3.checksum_members import Declaration, verify
from sagebrush.services.s3.faults import fault


@asynccontextmanager
async def received(
    context: Context,
    request: dict[str, Any],
    declared: Declaration,
    *,
    limit_bytes: int,
    extra_algorithms: Sequence[str] = (),
    slot: tuple[str, int] | None = None,
    allow_inline: bool = True,
) -> AsyncIterator[Blob]:
    """Give the body as a blob whose `checksums` are those the client vouched for.

    The block records the blob in a transaction; when it raises, the bytes are dropped.

    Raises:
        ApiError: EntityTooLarge, IncompleteBody, BadDigest.
    """
    stream: ByteStream = _Limited(_stream(request.get("Body")), limit_bytes)
    algorithms = dict.fromkeys((*declared.algorithms, *extra_algorithms))
    objects = context.platform.objects
    try:
        blob = await objects.receiver.receive(
            stream, tuple(algorithms), slot=slot, allow_inline=allow_inline
        )
    except IncompleteBody:
        raise fault("IncompleteBody") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise fault("ServiceUnavailable", "The server's disk is full.") from error
    try:
        kept = verify(declared, blob.md5, blob.checksums, stream.trailers)
        blob.checksums = {
            name: value
            for name, value in blob.checksums.items()
            if name in kept or name in extra_algorithms or name in declared.algorithms
        }
        yield blob
    except BaseException:
        objects.discard(blob)
        raise


def _stream(body: Any) -> ByteStream:
    if body is None or isinstance(body, bytes):
        return BytesStream(body or b"")
    stream: ByteStream = body
    return stream


class _Limited:
    """A stream that ends in EntityTooLarge when it goes over a limit."""

    def __init__(self, stream: ByteStream, limit_bytes: int) -> None:
        self.length = stream.length
        self.trailers = stream.trailers
        self._stream = stream
        self._limit_bytes = limit_bytes
        if self.length is not None and self.length > limit_bytes:
            raise self._too_large(self.length)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._limit_bytes:
                raise self._too_large(size)
            yield chunk
        self.trailers = self._stream.trailers

    def _too_large(self, size: int) -> Exception:
        return fault("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=self._limit_bytes)
