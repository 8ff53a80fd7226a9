"""Text streams in blocks of whole lines."""

from collections.abc import Iterator
from typing import BinaryIO

BLOCK_BYTES = 1 << 22


def read_line_blocks(stream: BinaryIO, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The stream's bytes in blocks that end with a newline; only the last one may lack it.

    Memory use is bounded by ``block_bytes`` or the longest line, whichever is larger.
    """
    rest: list[bytes] = []
    while chunk := stream.read(block_bytes):
        cut = chunk.rfind(b"\n") + 1
        if cut == 0:
            rest.append(chunk)
            continue
        yield b"".join([*rest, chunk[:cut]]) if rest else chunk[:cut]
        rest = [chunk[cut:]] if cut < len(chunk) else []
    if rest:
        yield b"".join(rest)


def count_lines(block: bytes) -> int:
    """How many lines a block of lines has."""
    return block.count(b"\n") + (not block.endswith(b"\n") if block else 0)
