"""The log store: order, places, pages, retention."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.base.clock import ManualClock
from sagebrush.engines.logs import (
    GroupExists,
    GroupNotFound,
    LogStore,
    StreamExists,
    StreamNotFound,
    filter_events,
)
from sagebrush.store.database import Database

DAY_MS = 86_400_000
HERE = ("111122223333", "us-east-1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "state.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> LogStore:
    return LogStore(database, clock)


def messages(store: LogStore, stream: str, **request: object) -> list[str]:
    group = store.group(*HERE, "g")
    found = store.get(store.stream(group, stream), **request)  # type: ignore[arg-type]
    return [event.message for event in found]


def test_put_without_create_needs_group_and_stream(store: LogStore) -> None:
    with pytest.raises(GroupNotFound):
        store.put(*HERE, "g", "s", [(1, "a")])
    group = store.create_group(*HERE, "g")
    with pytest.raises(StreamNotFound):
        store.put(*HERE, "g", "s", [(1, "a")])
    store.create_stream(group, "s")
    store.put(*HERE, "g", "s", [(1, "a")])
    assert messages(store, "s") == ["a"]


def test_names_are_taken_once(store: LogStore) -> None:
    group = store.create_group(*HERE, "g")
    store.create_stream(group, "s")
    with pytest.raises(GroupExists):
        store.create_group(*HERE, "g")
    with pytest.raises(StreamExists):
        store.create_stream(group, "s")


def test_events_are_read_by_time_and_among_equals_by_arrival(store: LogStore) -> None:
    store.put(*HERE, "g", "s", [(5, "late"), (7, "first of seven")], create=True)
    store.put(*HERE, "g", "s", [(2, "early"), (7, "second of seven")])
    assert messages(store, "s") == ["early", "late", "first of seven", "second of seven"]
    assert messages(store, "s", newest_first=True, limit=2) == ["first of seven", "second of seven"]
    assert messages(store, "s", after=(7, 1)) == ["second of seven"]
    assert messages(store, "s", before=(7, 1)) == ["early", "late"]


def test_a_page_ends_with_its_bytes_but_has_one_event_at_least(store: LogStore) -> None:
    store.put(*HERE, "g", "s", [(1, "x" * 100), (2, "y" * 100)], create=True)
    assert len(messages(store, "s", limit_bytes=130)) == 1
    assert len(messages(store, "s", limit_bytes=1)) == 1
    assert len(messages(store, "s", limit_bytes=252)) == 2


def test_a_stream_knows_its_times_and_the_group_its_bytes(
    store: LogStore, clock: ManualClock
) -> None:
    store.put(*HERE, "g", "s", [(30, "é"), (10, "b")], create=True)
    group = store.group(*HERE, "g")
    stream = store.stream(group, "s")
    assert (stream.first_event_ms, stream.last_event_ms) == (10, 30)
    assert stream.last_ingestion_ms == int(clock.now() * 1000)
    assert group.stored_bytes == 2 + 1 + 2 * 26
    store.delete_stream(group, "s")
    assert store.group(*HERE, "g").stored_bytes == 0


def test_accounts_and_regions_do_not_see_each_other(store: LogStore) -> None:
    store.put(*HERE, "g", "s", [(1, "mine")], create=True)
    store.put("999999999999", "us-east-1", "g", "s", [(1, "theirs")], create=True)
    store.put(HERE[0], "eu-west-1", "g", "s", [(1, "elsewhere")], create=True)
    assert messages(store, "s") == ["mine"]
    store.delete_group("999999999999", "us-east-1", "g")
    assert messages(store, "s") == ["mine"]


def test_streams_are_listed_by_name_and_by_last_event(store: LogStore) -> None:
    for name, last in (("job/b", 30), ("job/a", 10), ("other", 20)):
        store.put(*HERE, "g", name, [(last, "x")], create=True)
    group = store.group(*HERE, "g")
    store.create_stream(group, "job/empty")

    def names(**request: object) -> list[str]:
        return [stream.name for stream in store.streams(group, **request)]  # type: ignore[arg-type]

    assert names(prefix="job/") == ["job/a", "job/b", "job/empty"]
    assert names(by_last_event=True) == ["job/empty", "job/a", "other", "job/b"]
    assert names(by_last_event=True, descending=True, after=(20, "other")) == [
        "job/a",
        "job/empty",
    ]
    assert names(descending=True, after=(0, "job/b"), limit=1) == ["job/a"]


def test_the_sweep_deletes_what_is_older_than_the_retention(
    store: LogStore, clock: ManualClock
) -> None:
    now_ms = int(clock.now() * 1000)
    old, young = now_ms - 3 * DAY_MS, now_ms - DAY_MS // 2
    store.put(*HERE, "g", "s", [(old, "old"), (young, "young")], create=True)
    store.put(*HERE, "kept", "s", [(old, "old")], create=True)
    group = store.group(*HERE, "g")
    store.update_group(group, retention_days=1, document={})
    assert store.sweep() == 1
    assert messages(store, "s") == ["young"]
    group = store.group(*HERE, "g")
    assert group.stored_bytes == len("young") + 26
    assert store.stream(group, "s").first_event_ms == young
    assert store.sweep() == 0


def test_a_rolled_back_transaction_leaves_no_events(store: LogStore, database: Database) -> None:
    store.put(*HERE, "g", "s", [(1, "kept")], create=True)

    def fail() -> None:
        with database.transaction():
            store.put(*HERE, "g", "s", [(2, "lost")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert messages(store, "s") == ["kept"]


def test_observers_are_told_of_each_batch(store: LogStore) -> None:
    told: list[tuple[str, str, list[str]]] = []
    store.observers.append(
        lambda group, stream, events: told.append(
            (group.name, stream.name, [event.message for event in events])
        )
    )
    store.put(*HERE, "g", "s", [(1, "a"), (2, "b")], create=True)
    assert told == [("g", "s", ["a", "b"])]


@settings(max_examples=30, deadline=None)
@given(
    batches=st.lists(
        st.tuples(st.integers(0, 2), st.lists(st.integers(0, 9), min_size=1, max_size=5)),
        max_size=8,
    ),
    page=st.integers(1, 4),
    scan=st.integers(1, 5),
)
def test_filter_pages_join_to_all_events_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[int, list[int]]],
    page: int,
    scan: int,
) -> None:
    database = Database(tmp_path_factory.mktemp("logs") / "state.sqlite")
    store = LogStore(database, ManualClock())
    group = store.create_group(*HERE, "g")
    streams = [store.create_stream(group, f"s{number}").id for number in range(3)]
    expected = []
    positions = [0, 0, 0]
    for stream, times in batches:
        store.put(*HERE, "g", f"s{stream}", [(time, f"{time % 2}") for time in times])
        for time in times:
            expected.append((time, streams[stream], positions[stream]))
            positions[stream] += 1
    found = []
    after = None
    for _ in range(100):
        part = filter_events(
            database,
            streams,
            lambda message: message == "1",
            start_ms=1,
            end_ms=7,
            after=after,
            limit=page,
            scan_limit=scan,
        )
        assert len(part.events) <= page
        found += [(e.timestamp_ms, e.stream_id, e.position) for e in part.events]
        after = part.last
        if after is None:
            break
    database.close()
    assert found == sorted(key for key in expected if key[0] % 2 and 1 <= key[0] <= 7)
