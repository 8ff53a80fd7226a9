"""Compressed forms: they have to be read before the operation they name is known.

SDKs compress large bodies of a few operations (PutMetricData). Other compressed bodies are decoded
by whoever receives them, like every encoding of the transport.
"""

from __future__ import annotations

import zlib

from sagebrush.base.errors import ApiError
from sagebrush.wire.messages import Request

# More than any service takes in one request that is not a stream.
_MAX_INFLATED_BYTES = 64 * 1024 * 1024


def inflate(request: Request) -> None:
    """Replace a gzip body by its content, in place; raises `ApiError`."""
    if request.headers.get("content-encoding") != "gzip":
        return
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(request.body, _MAX_INFLATED_BYTES)
    except zlib.error as error:
        message = f"The body is no gzip: {error}"
        raise ApiError("SerializationException", message, status=400) from None
    if not inflater.eof:
        raise ApiError("RequestEntityTooLarge", "The body is cut off or too large", status=413)
    request.body = content
    del request.headers["content-encoding"]
