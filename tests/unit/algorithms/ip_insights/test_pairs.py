"""Reading pairs: CSV of an entity and an IPv4 address.

Oracles: Python's ``csv`` for lines and quotes, ``ipaddress`` for addresses.
"""

import csv
import io
import ipaddress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.channels import ChannelConfig, ChannelReader
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.ip_insights import pairs as module
from sagebrush.algorithms.ip_insights.pairs import (
    Dropped,
    hash_entities,
    pack,
    parse_addresses,
    parse_pairs,
    read_pairs,
    unpack,
    windows,
)

ENTITIES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0"))
ADDRESSES = st.ip_addresses(v=4).map(str)
NEARLY_ADDRESSES = st.from_regex(r"[0-9]{0,4}(\.[0-9]{0,4}){2,4}", fullmatch=True)


def number(address: str) -> int | None:
    """What `ipaddress` makes of an address."""
    try:
        return int(ipaddress.IPv4Address(address))
    except ipaddress.AddressValueError:
        return None


@given(st.lists(st.tuples(ENTITIES, ADDRESSES), min_size=1), st.booleans())
def test_quoted_lines_of_the_csv_module_are_read_as_it_wrote_them(rows, carriage_return):
    text = io.StringIO()
    ending = "\r\n" if carriage_return else "\n"
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=ending).writerows(rows)
    pairs = parse_pairs(text.getvalue().encode(), "train")
    assert pairs.dropped == 0
    np.testing.assert_array_equal(pairs.entities, hash_entities(entity for entity, _ in rows))
    assert pairs.addresses.tolist() == [number(address) for _, address in rows]


@given(st.lists(st.one_of(ADDRESSES, NEARLY_ADDRESSES), min_size=1))
def test_addresses_are_those_of_the_ipaddress_module(addresses):
    text = "".join(f"u, {address}\n" for address in addresses).encode()
    pairs = parse_pairs(text, "train")
    known = [number(address) for address in addresses]
    assert pairs.addresses.tolist() == [value for value in known if value is not None]
    assert pairs.dropped == known.count(None)
    if None in known:
        assert pairs.dropped_line == known.index(None) + 1
        assert pairs.dropped_text == addresses[known.index(None)]
    for address, value in zip(addresses, known, strict=True):
        if value is None:
            with pytest.raises(ValueError, match="is not an IPv4 address"):
                parse_addresses([address])
        else:
            assert parse_addresses([address]).tolist() == [value]


@given(st.binary())
def test_any_bytes_are_pairs_or_an_error_with_a_row(text):
    try:
        pairs = parse_pairs(text, "train")
    except ClientError:
        with pytest.raises(ClientError, match="Unable to read row "):
            parse_pairs(text, "train")
    else:
        lines = [line for line in text.split(b"\n") if line.strip(b" \t\r")]
        assert pairs.entities.size + pairs.dropped == len(lines)


def test_spaces_around_fields_do_not_count_but_those_in_quotes_do():
    pairs = parse_pairs(b'u,1.2.3.4\n \tu , 1.2.3.4 \r\n"u" ,"1.2.3.4"\n" u",1.2.3.4\n', "train")
    assert pairs.addresses.tolist() == [0x01020304] * 4
    assert pairs.entities[0] == pairs.entities[1] == pairs.entities[2]
    assert pairs.entities[3] == hash_entities([" u"])[0] != pairs.entities[0]


def test_odd_entities_are_entities():
    names = ["", "Zoë", "用户", "a b", "o'neil", "x;y|z", "-1", "3.0", "\x1b", '"', "a,b"]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    text = "".join(f"{name},10.0.0.1\n" for name in quoted).encode()
    found = parse_pairs(text, "train").entities
    assert found.tolist() == hash_entities(names).tolist()
    assert len(set(found.tolist())) == len(names)


def test_a_header_is_a_line_without_an_address():
    pairs = parse_pairs(b"entity,ip\nu,1.2.3.4\n", "train")
    assert (pairs.dropped, pairs.dropped_line, pairs.dropped_text) == (1, 1, "ip")
    assert pairs.entities.size == 1


@pytest.mark.parametrize(
    ("text", "row", "reason"),
    [
        (b"u,1.2.3.4\nu\n", 2, "it has 1 columns"),
        (b"\nu,1.2.3.4,extra\n", 2, "it has 3 columns"),
        (b"u,1.2.3.4\n\n,a,,\n", 3, "it has 4 columns"),
        (b'"u,1.2.3.4\n', 1, "a quote is out of place"),
        (b'"u"x,1.2.3.4\n', 1, "a quote is out of place"),
    ],
)
def test_a_line_of_another_shape_is_named(text, row, reason):
    with pytest.raises(ClientError, match=rf"row {row} of train/a\.csv: {reason}, expected 2"):
        parse_pairs(text, "train/a.csv")
    with pytest.raises(ClientError, match=rf"row {row + 7} of"):
        parse_pairs(text, "train/a.csv", lines_before=7)


def test_a_channel_is_read_in_blocks_that_count_rows_on(tmp_path: Path, monkeypatch):
    def small_blocks(stream):
        return original(stream, 64)

    original = module.read_line_blocks
    monkeypatch.setattr(module, "read_line_blocks", small_blocks)
    lines = [f"user {i},10.0.{i // 256}.{i % 256}" for i in range(400)]
    lines[300] = "user 300,10.0.0.256"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + "\n".join(lines[:200]).encode())
    (tmp_path / "b.csv").write_text("\n".join(lines[200:]))
    reader = ChannelReader(ChannelConfig("train", tmp_path))
    dropped = Dropped()
    blocks = list(read_pairs(reader, dropped))
    assert len(blocks) > 10
    entities, addresses = unpack(np.concatenate(blocks))
    kept = [line.split(",") for line in lines if line != lines[300]]
    assert entities.tolist() == hash_entities(name for name, _ in kept).tolist()
    assert addresses.tolist() == [number(address) for _, address in kept]
    assert dropped == Dropped(1, "row 101 of train/b.csv has '10.0.0.256'")
    (tmp_path / "b.csv").write_text("\n".join(lines[200:300]) + "\nuser,1.2.3.4,x\n")
    with pytest.raises(ClientError, match=r"row 101 of train/b\.csv"):
        list(read_pairs(reader, Dropped()))


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 12))
def test_windows_hold_the_pairs_in_their_order(sizes, length):
    everything = np.arange(sum(sizes), dtype=np.uint64)
    blocks = np.split(everything, np.cumsum(sizes)[:-1]) if sizes else []
    found = [window.copy() for window in windows(blocks, length)]
    assert all(window.shape[0] == length for window in found[:-1])
    assert [pair for window in found for pair in window.tolist()] == everything.tolist()


def test_packing_loses_nothing():
    names = np.array([0, 1, 2**32 - 1], np.uint32)
    for found, expected in zip(unpack(pack(names, names[::-1])), (names, names[::-1]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_whole_numbers_are_addresses_in_memory():
    assert parse_addresses([0, 2**32 - 1, np.uint32(7)]).tolist() == [0, 2**32 - 1, 7]
    for wrong in (-1, 2**32, True, 1.0):
        with pytest.raises(ValueError, match="is not an IPv4 address"):
            parse_addresses([wrong])
