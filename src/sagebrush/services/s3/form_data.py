"""multipart/form-data, read as a stream: fields first, then the file.

Source: RFC 7578; S3 ignores what follows the file.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sagebrush.base.streams import ByteStream
from sagebrush.services.s3.faults import fault

_FIELDS_BYTES = 20 * 1024 * 4
_BOUNDARY = re.compile(r'boundary="?([^";]{1,70})"?', re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+\*?)="((?:[^"\\]|\\.)*)"|(\w+)=([^;"\s]+)')


@dataclass(slots=True)
class Form:
    """A form up to its file. Field names are in lower case; `file` must be read before it ends."""

    file: ByteStream
    filename: str
    fields: dict[str, str] = field(default_factory=dict)


async def read_form(content_type: str, stream: ByteStream) -> Form:
    """Return the fields and the file of a form.

    Raises:
        ApiError: MalformedPOSTRequest, InvalidArgument when there is no file.
    """
    matched = _BOUNDARY.search(content_type)
    if matched is None or not content_type.lower().startswith("multipart/form-data"):
        raise fault(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
            Condition="Bucket POST must be of the enclosure-type multipart/form-data",
        )
    reader = _Reader(stream, b"\r\n--" + matched[1].encode())
    await reader.skip_preamble()
    fields: dict[str, str] = {}
    size = 0
    while await reader.next_part():
        headers = _headers(await reader.head())
        name, filename = _disposition(headers.get("content-disposition", ""))
        if name.lower() == "file":
            # The part's own type, which browsers add, is no field: no policy speaks of it.
            return Form(_File(reader), filename, fields)
        value = await reader.value(_FIELDS_BYTES)
        size += len(value)
        if size > _FIELDS_BYTES:
            raise fault("MaxPostPreDataLengthExceededError")
        fields[name.lower()] = value.decode("utf-8", "replace")
    raise fault(
        "InvalidArgument",
        "POST requires exactly one file upload per request.",
        ArgumentName="file",
        ArgumentValue="0",
    )


class _Reader:
    """Cuts a stream at its boundaries."""

    def __init__(self, stream: ByteStream, delimiter: bytes) -> None:
        self._chunks = aiter(stream)
        self._delimiter = delimiter
        # The first boundary has no line break before it.
        self._buffer = b"\r\n"

    async def skip_preamble(self) -> None:
        async for _ in self.content():
            pass

    async def next_part(self) -> bool:
        """Whether another part follows the boundary just passed."""
        await self._fill(2)
        if self._buffer.startswith(b"--"):
            return False
        if not self._buffer.startswith(b"\r\n"):
            raise fault("MalformedPOSTRequest")
        self._buffer = self._buffer[2:]
        return True

    async def head(self) -> bytes:
        """Return the header lines of the part."""
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _FIELDS_BYTES or not await self._more():
                raise fault("MalformedPOSTRequest")
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    async def value(self, limit_bytes: int) -> bytes:
        """Return the content of the part."""
        value = b""
        async for piece in self.content():
            value += piece
            if len(value) > limit_bytes:
                raise fault("MaxPostPreDataLengthExceededError")
        return value

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the content up to the next boundary, and pass the boundary."""
        while True:
            found = self._buffer.find(self._delimiter)
            if found >= 0:
                if found:
                    yield self._buffer[:found]
                self._buffer = self._buffer[found + len(self._delimiter) :]
                return
            safe = len(self._buffer) - len(self._delimiter) + 1
            if safe > 0:
                piece, self._buffer = self._buffer[:safe], self._buffer[safe:]
                yield piece
            if not await self._more():
                raise fault("MalformedPOSTRequest")

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            if not await self._more():
                raise fault("MalformedPOSTRequest")

    async def _more(self) -> bool:
        async for chunk in self._chunks:
            self._buffer += chunk
            return True
        return False


class _File:
    """The file's content as a body of unknown length."""

    def __init__(self, reader: _Reader) -> None:
        self.length: int | None = None
        self.trailers: dict[str, str] = {}
        self._reader = reader

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._reader.content()


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, separator, value = line.partition(":")
        if separator:
            headers[name.strip().lower()] = value.strip()
    return headers


def _disposition(header: str) -> tuple[str, str]:
    """Return the field's name and the file's name."""
    parameters = {
        (matched[1] or matched[3]).lower(): matched[2] if matched[1] else matched[4]
        for matched in _PARAMETER.finditer(header)
    }
    if "name" not in parameters:
        raise fault("MalformedPOSTRequest")
    unescaped = {name: re.sub(r"\\(.)", r"\1", value) for name, value in parameters.items()}
    return unescaped["name"], unescaped.get("filename", "")
