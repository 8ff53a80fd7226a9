"""JSON Lines: one JSON document per line."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.lines import count_lines, read_line_blocks


def read_json_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, Any]]:
    """Each line's number (from 1) and document; blank lines are passed over.

    ClientError names ``name`` and the line that is no JSON.
    """
    before = 0
    for block in read_line_blocks(stream):
        for number, line in enumerate(block.split(b"\n"), before + 1):
            if line.strip():
                yield number, _document(line, name, number)
        before += count_lines(block)


def _document(line: bytes, name: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ClientError(f"Unable to read row {number} of {name}: {error}.") from error
