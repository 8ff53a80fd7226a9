"""Pairs of an entity and an IPv4 address: read from CSV, hashed, packed into 64 bits each.

An entity is any string; what counts of it is a 32-bit hash. An address is written in decimal-dot
notation. A packed pair is ``hash << 32 | address``, so that millions of them fit in memory and can
be shuffled.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-training-data-formats.html
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.channels import ChannelReader
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.lines import count_lines, read_line_blocks
from sagebrush.algorithms.ip_insights.kernel import kernel

Packed = NDArray[np.uint64]
Names = NDArray[np.uint32]

_BOM = b"\xef\xbb\xbf"
_REPORT = ("lines", "pairs", "dropped", "dropped_line", "dropped_at", "dropped_bytes")
_SHOWN_BYTES = 80


class Pairs(NamedTuple):
    """The pairs of a text.

    ``entities``, hashed, and ``addresses`` are (pairs,) uint32; ``dropped`` lines had no valid
    address, the first of them is line ``dropped_line`` (from 1) with ``dropped_text`` in its place.
    """

    entities: Names
    addresses: Names
    dropped: int = 0
    dropped_line: int = 0
    dropped_text: str = ""


@dataclass
class Dropped:
    """Lines left out because their address is none: how many, and the first of them."""

    lines: int = 0
    first: str = ""

    def add(self, pairs: Pairs, name: str, lines_before: int) -> None:
        """Count the lines that a block of the stream ``name`` lost."""
        if pairs.dropped and not self.lines:
            place = f"row {lines_before + pairs.dropped_line} of {name}"
            self.first = f"{place} has {pairs.dropped_text!r}"
        self.lines += pairs.dropped


def parse_pairs(text: bytes, name: str, lines_before: int = 0) -> Pairs:
    """The pairs of CSV lines ``entity,address``.

    Spaces around a field do not count, a quoted field is what stands between its quotes. A line
    whose address is no IPv4 address is left out and counted. ClientError names ``name`` and the
    row of a line that does not have two fields; rows are counted from 1 after ``lines_before``.
    """
    room = count_lines(text)
    entities, addresses = np.empty(room, np.uint32), np.empty(room, np.uint32)
    report = np.zeros(8, np.int64)
    source = np.frombuffer(text, np.uint8)
    kernel().parse_pairs(source, len(text), entities, addresses, report)
    found = dict(zip(_REPORT, report.tolist(), strict=False))
    ragged_line, ragged_fields = report[6:].tolist()
    if ragged_line >= 0:
        fields = f"it has {ragged_fields} columns" if ragged_fields else "a quote is out of place"
        raise ClientError(
            f"Unable to read row {lines_before + ragged_line + 1} of {name}: {fields}, expected 2: "
            "an entity and an IPv4 address."
        )
    count = found["pairs"]
    begin = found["dropped_at"]
    dropped = text[begin : begin + min(found["dropped_bytes"], _SHOWN_BYTES)]
    return Pairs(
        entities[:count],
        addresses[:count],
        found["dropped"],
        found["dropped_line"] + 1,
        dropped.decode("utf-8", "replace"),
    )


def hash_entities(entities: Iterable[str]) -> Names:
    """The 32-bit hash of each entity, as `parse_pairs` gives it."""
    encoded = [entity.encode("utf-8", "surrogatepass") for entity in entities]
    ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    text = np.frombuffer(b"".join(encoded) + b"\0", np.uint8)
    found = np.empty(len(encoded), np.uint32)
    kernel().hash_entities(text, ends, len(encoded), found)
    return found


def parse_addresses(addresses: Iterable[Any]) -> Names:
    """IPv4 addresses in decimal-dot notation, or as whole numbers, as (addresses,) uint32.

    ValueError names the first that is none.
    """
    found = [_address(each) for each in addresses]
    return np.array(found, np.uint32)


def _address(value: Any) -> int:
    if type(value) is not bool and isinstance(value, (int, np.integer)) and 0 <= value < 1 << 32:
        return int(value)
    text = str(value).strip(" \t\r")
    octets = text.split(".")
    if len(octets) != 4 or not all(_is_octet(octet) for octet in octets):
        raise ValueError(f"{text[:_SHOWN_BYTES]!r} is not an IPv4 address")
    first, second, third, fourth = map(int, octets)
    return first << 24 | second << 16 | third << 8 | fourth


def _is_octet(text: str) -> bool:
    plain = text.isascii() and text.isdigit() and len(text) <= 3
    return plain and int(text) < 256 and (text == "0" or not text.startswith("0"))


def pack(entities: Names, addresses: Names) -> Packed:
    """``entity << 32 | address`` of each pair."""
    return np.asarray(entities.astype(np.uint64) << np.uint64(32) | addresses)


def pack_pair(entity: str, address: Any) -> Packed:
    """The same, shape (1,), of one pair as `hash_entities` and `parse_addresses` read it."""
    text = entity.encode("utf-8", "surrogatepass")
    name: int = kernel().hash_entity(text, len(text))
    return np.array([name << 32 | _address(address)], np.uint64)


def unpack(packed: Packed) -> tuple[Names, Names]:
    """The entities and the addresses of packed pairs."""
    return (packed >> np.uint64(32)).astype(np.uint32), packed.astype(np.uint32)


def read_pairs(reader: ChannelReader, dropped: Dropped) -> Iterator[Packed]:
    """One pass over a channel's CSV in packed blocks; lines without an address go to ``dropped``.

    ClientError names file and row of a line that is no pair.
    """
    for stream in reader.streams():
        before = 0
        with stream.open() as data:
            for block in read_line_blocks(data):
                text = block.removeprefix(_BOM) if before == 0 else block
                pairs = parse_pairs(text, stream.name, before)
                dropped.add(pairs, stream.name, before)
                before += count_lines(block)
                if pairs.entities.size:
                    yield pack(pairs.entities, pairs.addresses)


def windows(blocks: Iterable[Packed], pairs: int) -> Iterator[Packed]:
    """The same pairs in arrays of exactly ``pairs``, the last one shorter.

    One buffer holds them in turn: an array counts until the next one is asked for.
    """
    buffer = np.empty(pairs, np.uint64)
    size = 0
    for block in blocks:
        start = 0
        while start < block.shape[0]:
            taken = min(pairs - size, block.shape[0] - start)
            buffer[size : size + taken] = block[start : start + taken]
            start, size = start + taken, size + taken
            if size == pairs:
                yield buffer
                size = 0
    if size:
        yield buffer[:size]
