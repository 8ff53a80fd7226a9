"""Parts, shared files, and putting objects together."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sagebrush.engines.objects import PartEntry, UploadEntry, UploadNotFound
from sagebrush.engines.objects.uploads import contiguous

from .conftest import Bench, Chunks

PART = 100_000


def send(bench: Bench, upload: UploadEntry, number: int, data: bytes) -> PartEntry:
    slot = bench.store.uploads.claim_slot(upload, number, len(data))
    blob = bench.run(bench.store.receiver.receive(Chunks(data), slot=slot, allow_inline=False))
    assert blob.file is not None
    part = PartEntry(number, blob.size, blob.md5, 1.0, blob.file, blob.file_offset, {})
    bench.store.uploads.put_part(upload, part)
    return part


def finish(bench: Bench, upload: UploadEntry) -> bytes:
    bucket = bench.store.buckets.get("bucket")
    parts = bench.store.uploads.parts(upload.upload_id)
    blob = bench.run(bench.store.assemble(parts))
    with bench.db.transaction():
        entry = bench.store.versions.put(bucket, upload.key, blob, {}, now=1.0, etag="e-1")
        bench.store.uploads.remove(upload)
    bench.store.remove_released()
    return bench.store.read(entry)


@pytest.mark.parametrize("order", [(1, 2, 3), (2, 1, 3), (2, 3, 1)])
def test_equal_parts_share_a_file_in_any_order(bench: Bench, order: tuple[int, ...]) -> None:
    bucket = bench.create()
    upload = bench.store.uploads.create(bucket, "key", {}, now=1.0)
    data = {1: b"1" * PART, 2: b"2" * PART, 3: b"3" * 10}
    for number in order:
        send(bench, upload, number, data[number])
    parts = bench.store.uploads.parts(upload.upload_id)
    assert contiguous(parts)
    assert finish(bench, upload) == b"".join(data.values())
    assert len(bench.files()) == 1


def test_unequal_and_resent_parts_are_put_together(bench: Bench) -> None:
    bucket = bench.create()
    upload = bench.store.uploads.create(bucket, "key", {}, now=1.0)
    send(bench, upload, 3, b"3" * 10)
    send(bench, upload, 1, b"x" * PART)
    send(bench, upload, 2, b"2" * PART)
    send(bench, upload, 1, b"1" * PART)
    assert not contiguous(bench.store.uploads.parts(upload.upload_id))
    assert finish(bench, upload) == b"1" * PART + b"2" * PART + b"3" * 10
    assert len(bench.files()) == 1


def test_resent_part_does_not_touch_the_one_before_until_it_is_whole(bench: Bench) -> None:
    bucket = bench.create()
    upload = bench.store.uploads.create(bucket, "key", {}, now=1.0)
    first = send(bench, upload, 1, b"a" * PART)
    assert bench.store.uploads.claim_slot(upload, 1, PART) is None
    path = bench.store.files.path(first.file)
    assert hashlib.md5(path.read_bytes()).hexdigest() == first.etag


def test_place_of_an_uploaded_part_is_taken_also_after_a_restart(tmp_path: Path) -> None:
    before = Bench(tmp_path)
    upload = before.store.uploads.create(before.create(), "key", {}, now=1.0)
    send(before, upload, 1, b"a" * PART)
    before.close()
    after = Bench(tmp_path)
    assert after.store.uploads.claim_slot(upload, 1, PART) is None
    send(after, upload, 2, b"b" * PART)
    assert finish(after, upload) == b"a" * PART + b"b" * PART
    after.close()


def test_aborted_upload_leaves_no_file(bench: Bench) -> None:
    bucket = bench.create()
    upload = bench.store.uploads.create(bucket, "key", {}, now=1.0)
    send(bench, upload, 1, b"a" * PART)
    bench.store.uploads.remove(upload)
    bench.store.remove_released()
    assert bench.files() == []
    with pytest.raises(UploadNotFound):
        bench.store.uploads.get(bucket, "key", upload.upload_id)
    with pytest.raises(UploadNotFound):
        send(bench, upload, 2, b"b")


def test_deleted_bucket_takes_its_uploads_along(bench: Bench) -> None:
    bucket = bench.create()
    upload = bench.store.uploads.create(bucket, "key", {}, now=1.0)
    send(bench, upload, 1, b"a" * PART)
    send(bench, upload, 1, b"again")
    bench.store.buckets.delete("bucket")
    bench.store.remove_released()
    assert bench.files() == []


def test_uploads_list_by_key_then_time(bench: Bench) -> None:
    bucket = bench.create()
    made = [
        bench.store.uploads.create(bucket, key, {}, now=now)
        for key, now in (("b", 1.0), ("a", 3.0), ("a", 2.0))
    ]
    listed = bench.store.uploads.list(bucket)
    assert [entry.upload_id for entry in listed] == [made[i].upload_id for i in (2, 1, 0)]
    rest = bench.store.uploads.list(bucket, key_marker="a", id_marker=made[2].upload_id)
    assert [entry.upload_id for entry in rest] == [made[1].upload_id, made[0].upload_id]
    assert [entry.key for entry in bench.store.uploads.list(bucket, key_marker="a")] == ["b"]
