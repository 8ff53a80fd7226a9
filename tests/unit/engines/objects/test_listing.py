"""Listings against the plain definition of prefixes and delimiters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.engines.objects import ListedPrefix
from sagebrush.engines.objects.listing import Position, after_prefix

from .conftest import Bench

KEYS = st.text(alphabet="ab/é\U0001f600\x01", min_size=1, max_size=5)


def expected_listing(keys: set[str], prefix: str, delimiter: str, after: str) -> list[str]:
    """S3's definition, without any index."""
    shown: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        found = key.find(delimiter, len(prefix)) if delimiter else -1
        item = key if found < 0 else key[: found + len(delimiter)]
        # A page that ended in a common prefix goes on after it.
        if (item if found >= 0 and item == after else key).encode() <= after.encode():
            continue
        if item not in shown:
            shown.append(item)
    return shown


@settings(max_examples=60, deadline=None)
@given(
    keys=st.sets(KEYS, max_size=12),
    prefix=st.text(alphabet="ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "a", "b/"]),
    after=st.sampled_from(["", "a", "a/", "b", "b/"]),
)
def test_current_agrees_with_the_definition(
    keys: set[str], prefix: str, delimiter: str, after: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        bucket = bench.create()
        for key in keys:
            bench.put(key)
        items = bench.store.listing.current(bucket, prefix, delimiter=delimiter, start_after=after)
        names = [item.prefix if isinstance(item, ListedPrefix) else item.key for item in items]
        bench.close()
    assert names == expected_listing(keys, prefix, delimiter, after)


def test_current_reads_no_row_under_a_common_prefix_but_the_first(bench: Bench) -> None:
    bucket = bench.create()
    for number in range(50):
        bench.put(f"a/{number}")
    bench.put("b")
    rows = 0

    def count(statement: str) -> None:
        nonlocal rows
        rows += statement.startswith("SELECT")

    bench.db._connection.set_trace_callback(count)
    items = list(bench.store.listing.current(bucket, "", delimiter="/"))
    bench.db._connection.set_trace_callback(None)
    assert len(items) == 2
    assert rows == 2


def test_history_pages_go_on_inside_a_key(bench: Bench) -> None:
    bucket = bench.create(versioning="Enabled")
    versions = [bench.put("key", str(number).encode()).version_id for number in range(4)]
    bench.put("other")
    whole = [
        entry.version_id for entry, _ in bench.store.listing.history(bucket) if entry.key == "key"
    ]
    assert whole == versions[::-1]
    rest = list(bench.store.listing.history(bucket, after=Position("key", whole[1])))
    assert [entry.version_id for entry, _ in rest][:2] == whole[2:]
    assert [latest for _, latest in rest] == [False, False, True]


@pytest.mark.parametrize(
    ("prefix", "following"),
    [("a", "b"), ("a\U0010ffff", "b"), ("\ud7ff", "\ue000"), ("", None), ("\U0010ffff", None)],
)
def test_after_prefix(prefix: str, following: str | None) -> None:
    assert after_prefix(prefix) == following
