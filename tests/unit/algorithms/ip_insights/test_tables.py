"""Tables that hold a row for each key they have met, and lazy Adam on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.ip_insights import tables
from sagebrush.algorithms.ip_insights.tables import (
    OCTET_ROWS,
    PREFIX_LENGTHS,
    Adam,
    EntityTable,
    PrefixTable,
    RowTable,
)


def at_once(work, rows):
    work(0, rows)


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=40), max_size=6))
def test_entities_get_rows_in_the_order_of_their_first_appearance(batches):
    table = EntityTable(4, limit=10**6)
    expected: dict[int, int] = {}
    for batch in batches:
        for entity in batch:
            expected.setdefault(entity, len(expected))
        table.admit(np.array(batch, np.uint32))
        rows = table.find(np.array(batch, np.uint32))
        assert rows.tolist() == [expected[entity] for entity in batch]
    assert table.used == len(expected)
    assert table.find(np.array([3], np.uint32))[0] == expected.get(3, -1)


def test_many_entities_are_all_found_again():
    entities = np.random.default_rng(0).integers(0, 2**32, 50_000, dtype=np.uint32)
    table = EntityTable(1, limit=10**8)
    for first in range(0, 50_000, 777):
        table.admit(entities[first : first + 777])
    found = table.find(entities)
    assert table.used == np.unique(entities).size
    np.testing.assert_array_equal(table.row_keys[found], entities)


def test_entities_beyond_the_limit_share_rows():
    table = EntityTable(2, limit=16)
    entities = np.random.default_rng(0).integers(0, 2**32, 4000, dtype=np.uint32)
    table.admit(entities)
    assert table.used == 16
    rows = table.find(entities)
    assert rows[:16].tolist() == list(range(16))
    counts = np.bincount(rows, minlength=16)
    assert counts.sum() == 4000
    assert counts.min() > 150
    np.testing.assert_array_equal(rows, table.find(entities))


def test_a_prefix_is_known_only_with_all_shorter_ones():
    table = PrefixTable(3, wanted=1, seed=0, scale=1.0)
    home = 0x0A010203
    table.admit(np.array([home], np.uint32))
    assert table.used == OCTET_ROWS + len(PREFIX_LENGTHS)
    longest = {home: 32, 0x0A0102FF: 24, 0x0A010803: 20, 0x0A01FF03: 16, 0x0A0F0203: 12, 0: 0}
    for address, bits in longest.items():
        rows = table.find(np.array([address], np.uint32), at_once)[0]
        octets = [address >> shift & 255 for shift in (24, 16, 8, 0)]
        assert rows[:4].tolist() == [256 * i + octet for i, octet in enumerate(octets)]
        known = [length <= bits for length in PREFIX_LENGTHS]
        assert (rows[4:] >= 0).tolist() == known
        assert len(set(rows[rows >= 0].tolist())) == 4 + sum(known)


def test_a_full_table_knows_no_further_prefixes(monkeypatch):
    monkeypatch.setattr(tables, "PREFIX_TABLE_BYTES", 1 << 17)
    table = PrefixTable(4, wanted=1, seed=0, scale=1.0)
    limit = int(table._limits[0])
    assert limit == 1638
    addresses = np.arange(2 * limit, dtype=np.uint32)
    table.admit(addresses)
    rows = table.find(addresses, at_once)
    whole = rows[:, -1] >= 0
    assert whole.sum() == table._limits[-1] == limit // 2
    assert whole[: limit // 2].all()


def test_first_vectors_follow_from_seed_and_key_alone():
    addresses = np.array([1, 2**31, 77], np.uint32)

    def vectors(seed, order):
        table = PrefixTable(8, wanted=1, seed=seed, scale=0.5)
        table.admit(addresses[order])
        return table.weights[table.find(addresses, at_once)]

    np.testing.assert_array_equal(vectors(5, [0, 1, 2]), vectors(5, [2, 0, 1]))
    assert np.abs(vectors(5, [0, 1, 2])).max() <= 0.5
    assert not np.array_equal(vectors(5, [0, 1, 2]), vectors(6, [0, 1, 2]))


@given(st.lists(st.lists(st.integers(-1, 6), min_size=3, max_size=3), max_size=30))
def test_grouping_lists_who_names_each_row(rows):
    table = RowTable(1)
    table.reserve(7)
    table.used = 7
    names = np.array(rows, np.int32).reshape(-1, 3)
    groups = table.group(names)
    found = {
        int(row): groups.members[groups.starts[j] : groups.starts[j + 1]].tolist()
        for j, row in enumerate(groups.distinct)
    }
    expected = {
        row: [i for i, each in enumerate(rows) for name in each if name == row]
        for row in {name for each in rows for name in each} - {-1}
    }
    assert found == expected
    again = table.group(names)
    np.testing.assert_array_equal(groups.distinct, again.distinct)


def test_adam_is_that_of_the_paper_and_moves_only_named_rows():
    rng = np.random.default_rng(0)
    table = RowTable(6)
    table.reserve(5)
    table.used = 5
    table.weights[:5] = rng.normal(size=(5, 6))
    before = table.weights.copy()
    expected = before[[1, 3]].astype(np.float64)
    mean = np.zeros((2, 6))
    square = np.zeros((2, 6))
    rate, decay = 0.01, 0.3
    for step in range(1, 6):
        gradient = rng.normal(size=(2, 6)).astype(np.float32)
        table.move(np.array([1, 3], np.int32), gradient, Adam.at(step, rate, decay), at_once)
        slope = gradient + decay * expected
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        corrected = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        expected = expected - rate * corrected
    np.testing.assert_allclose(table.weights[[1, 3]], expected, rtol=1e-4)
    np.testing.assert_array_equal(table.weights[[0, 2, 4]], before[[0, 2, 4]])


def test_growing_keeps_what_is_there():
    table = EntityTable(3, limit=10**6)
    table.admit(np.arange(10, dtype=np.uint32))
    table.weights[:10] = 4.0
    table.squares[:10] = 5.0
    table.admit(np.arange(5000, dtype=np.uint32))
    assert (table.weights[:10] == 4.0).all()
    assert (table.squares[:10] == 5.0).all()
    assert not table.weights[10:5000].any()


def test_an_array_of_another_kind_never_reaches_the_kernel():
    table = EntityTable(3, limit=10)
    import ctypes

    with pytest.raises(ctypes.ArgumentError):
        table.admit(np.arange(10, dtype=np.int64))
