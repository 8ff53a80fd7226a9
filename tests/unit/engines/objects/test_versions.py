"""What writes and deletes do to a key's history."""

from __future__ import annotations

import pytest

from sagebrush.engines.objects import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    ObjectNotFound,
)

from .conftest import ACCOUNT, REGION, Bench


def test_put_replaces_outside_versioning(bench: Bench) -> None:
    bench.create()
    bench.put("key", b"old" * 10_000)
    bench.put("key", b"new")
    entry = bench.store.get("bucket", "key")
    assert (bench.store.read(entry), entry.version_id) == (b"new", "null")
    assert [item.key for item in bench.store.list("bucket")] == ["key"]
    assert bench.store.remove_released() == 1
    assert bench.files() == []


def test_versions_survive_each_other(bench: Bench) -> None:
    bucket = bench.create(versioning="Enabled")
    first, second = bench.put("key", b"1"), bench.put("key", b"2")
    assert bench.store.read(bench.store.get("bucket", "key", first.version_id)) == b"1"
    bench.store.versions.remove(second, bucket)
    assert bench.store.get("bucket", "key").version_id == first.version_id
    assert [item.version_id for item in bench.store.list("bucket")] == [first.version_id]


def test_delete_marker_hides_and_its_removal_shows_again(bench: Bench) -> None:
    bucket = bench.create(versioning="Enabled")
    bench.put("key", b"1")
    marker = bench.store.versions.put_delete_marker(bucket, "key", {}, now=2.0)
    assert list(bench.store.list("bucket")) == []
    with pytest.raises(ObjectNotFound):
        bench.store.get("bucket", "key")
    bench.store.versions.remove(marker, bucket)
    assert bench.store.read(bench.store.get("bucket", "key")) == b"1"


def test_suspended_versioning_replaces_only_the_null_version(bench: Bench) -> None:
    bench.create(versioning="Enabled")
    kept = bench.put("key", b"kept")
    bench.store.buckets.set_versioning("bucket", "Suspended")
    bench.put("key", b"null 1")
    bench.put("key", b"null 2")
    bucket = bench.store.buckets.get("bucket")
    history = [
        (entry.version_id, bench.store.read(entry))
        for entry, _ in bench.store.listing.history(bucket)
    ]
    assert history == [("null", b"null 2"), (kept.version_id, b"kept")]


def test_rolled_back_put_keeps_the_old_bytes(bench: Bench) -> None:
    bench.create()
    bench.put("key", b"old" * 10_000)
    bucket = bench.store.buckets.get("bucket")
    entry = bench.store.get("bucket", "key")

    def remove_and_fail() -> None:
        with bench.db.transaction():
            bench.store.versions.remove(entry, bucket)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        remove_and_fail()
    assert bench.store.remove_released() == 0
    assert bench.store.read(bench.store.get("bucket", "key")) == b"old" * 10_000


def test_buckets_are_unique_and_must_be_empty_to_go(bench: Bench) -> None:
    bench.create()
    with pytest.raises(BucketExists):
        bench.store.buckets.create("222222222222", REGION, "bucket", 1.0)
    bench.put("key")
    with pytest.raises(BucketNotEmpty):
        bench.store.buckets.delete("bucket")
    bucket = bench.store.buckets.get("bucket")
    bench.store.versions.remove(bench.store.get("bucket", "key"), bucket)
    bench.store.buckets.delete("bucket")
    with pytest.raises(BucketNotFound):
        bench.put("key")


def test_buckets_list_by_account_prefix_and_position(bench: Bench) -> None:
    for name in ("a1", "a2", "b1"):
        bench.create(name)
    bench.store.buckets.create("222222222222", REGION, "a3", 1.0)
    names = [record.name for record in bench.store.buckets.list(ACCOUNT, prefix="a")]
    assert names == ["a1", "a2"]
    assert [r.name for r in bench.store.buckets.list(ACCOUNT, start_after="a1")] == ["a2", "b1"]


@pytest.mark.parametrize(
    "key", ["a\x00b", "..", "/", "a//b", "\x7f\u2028", "é" * 500, "\U0001f600"]
)
def test_any_key_comes_back(bench: Bench, key: str) -> None:
    bench.create()
    bench.put(key, b"x" * 20_000)
    assert bench.store.read(bench.store.get("bucket", key)) == b"x" * 20_000
    assert [entry.key for entry in bench.store.list("bucket")] == [key]
