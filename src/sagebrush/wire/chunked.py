"""Bodies in `aws-chunked` encoding, decoded as they arrive, with their trailers.

Each chunk is `size;chunk-signature=...` (or only the size, in hexadecimal), a line end, the
content, a line end. After the empty last chunk come trailer lines (`x-amz-checksum-crc32:...`)
and, when chunks are signed, `x-amz-trailer-signature`. Source:
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and -streaming-trailers.html.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from sagebrush.wire.sigv4 import ChunkVerifier

# S3 takes lines and chunks of any sensible size; a limit keeps a broken client from filling memory.
_MAX_LINE_BYTES = 16 * 1024
_MAX_TRAILERS = 32
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class ChunkedError(ValueError):
    """The body is not in aws-chunked encoding, or ends too early."""


class ChunkedDecoder:
    """Decodes one body.

    With a `verifier` every chunk and the trailer have to be signed and are checked: content is
    given out before its chunk is complete, so what was received counts only after `finish`.
    `feed` and `finish` raise `ChunkedError`, or `SignatureError` for a wrong signature.
    """

    def __init__(self, verifier: ChunkVerifier | None = None) -> None:
        self.trailers: dict[str, str] = {}
        self.decoded_bytes = 0
        self._verifier = verifier
        self._buffer = bytearray()
        self._left_bytes = 0  # of the current chunk's content
        self._signature = ""
        self._hash = hashlib.sha256()
        self._trailer_lines = b""
        self._expect = self._size_line

    @property
    def is_complete(self) -> bool:
        """Whether the end of the body was read."""
        return self._expect == self._end

    def feed(self, content: bytes) -> Iterator[bytes]:
        """Add bytes of the body and yield the decoded content they give."""
        self._buffer += content
        while True:
            if self._left_bytes:
                if not self._buffer:
                    return
                yield self._take_content()
                continue
            line = self._line()
            if line is None:
                return
            self._expect(line)

    def finish(self) -> None:
        """Check that the body is complete."""
        # Some clients leave out the empty line that ends the trailer.
        if self._expect == self._trailer_line and not self._buffer:
            self._close_trailer()
        if not self.is_complete:
            raise ChunkedError("the body ends before its last chunk")

    def _take_content(self) -> bytes:
        content = bytes(self._buffer[: self._left_bytes])
        del self._buffer[: len(content)]
        self._left_bytes -= len(content)
        self.decoded_bytes += len(content)
        if self._verifier is not None:
            self._hash.update(content)
        return content

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE_BYTES:
                raise ChunkedError("a line is too long")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def _size_line(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise ChunkedError("a chunk has no valid size line")
        if self._verifier is not None and match[2] is None:
            raise ChunkedError("a chunk is not signed")
        self._signature = (match[2] or b"").decode()
        self._left_bytes = int(match[1], 16)
        if self._left_bytes:
            self._expect = self._content_end
        else:
            self._check_chunk()
            self._expect = self._trailer_line

    def _content_end(self, line: bytes) -> None:
        if line:
            raise ChunkedError("a chunk is longer than its size")
        self._check_chunk()
        self._expect = self._size_line

    def _check_chunk(self) -> None:
        if self._verifier is not None:
            self._verifier.check_chunk(self._hash.hexdigest(), self._signature)
            self._hash = hashlib.sha256()

    def _trailer_line(self, line: bytes) -> None:
        if not line:
            self._close_trailer()
            return
        name, colon, value = line.partition(b":")
        if not colon or len(self.trailers) >= _MAX_TRAILERS:
            raise ChunkedError("the trailer is malformed")
        key = name.strip().lower()
        content = value.strip()
        if key != _TRAILER_SIGNATURE.encode():
            self._trailer_lines += key + b":" + content + b"\n"
        self.trailers[key.decode("latin-1")] = content.decode("latin-1")

    def _close_trailer(self) -> None:
        signature = self.trailers.pop(_TRAILER_SIGNATURE, None)
        if self._verifier is not None and self.trailers:
            if signature is None:
                raise ChunkedError("the trailer is not signed")
            self._verifier.check_trailer(self._trailer_lines, signature)
        self._expect = self._end

    def _end(self, line: bytes) -> None:
        if line:
            raise ChunkedError("bytes follow the end of the body")
