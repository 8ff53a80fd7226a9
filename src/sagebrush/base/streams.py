"""Bodies that are not held in memory: what the gateway hands to handlers and gets from them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ByteStream(Protocol):
    """A request body, read once, chunk by chunk.

    `length` is the number of bytes to come where the client said it; `trailers` holds the headers
    that followed the body (lower-case names) and is complete once the stream is exhausted.
    """

    length: int | None
    trailers: dict[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the chunks."""


@dataclass(frozen=True, slots=True)
class FileRange:
    """A response body that lies in a file; the gateway lets the kernel copy it."""

    path: Path
    offset: int
    length: int
