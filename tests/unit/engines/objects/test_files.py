"""Bytes on disk: receiving, linking, sweeping."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from pathlib import Path

import pytest

from sagebrush.engines.objects import IncompleteBody, ObjectNotFound
from sagebrush.engines.objects.checksums import checksum
from sagebrush.engines.objects.receiving import INLINE_BYTES

from .conftest import ACCOUNT, REGION, Bench, Chunks

SIZES = [0, 1, INLINE_BYTES, INLINE_BYTES + 1, 300_000, 3_000_001]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("durable", [False, True])
def test_receive_keeps_bytes_and_digests(tmp_path: Path, size: int, durable: bool) -> None:
    bench = Bench(tmp_path, durable=durable)
    data = random.Random(size).randbytes(size)
    chunks = [data[start : start + 70_000] for start in range(0, size, 70_000)]
    blob = bench.run(bench.store.receiver.receive(Chunks(*chunks), ["CRC32", "SHA256"]))
    assert (blob.size, blob.md5) == (size, hashlib.md5(data).hexdigest())
    assert blob.checksums == {name: checksum(name, data) for name in ("CRC32", "SHA256")}
    assert (blob.content is not None) == (size <= INLINE_BYTES)
    stored = bench.files()[0].read_bytes() if blob.file else blob.content
    assert stored == data
    bench.close()


@pytest.mark.parametrize("size", [10, 400_000, 2_500_000])
def test_receive_of_a_short_body_leaves_nothing(bench: Bench, size: int) -> None:
    with pytest.raises(IncompleteBody):
        bench.run(bench.store.receiver.receive(Chunks(b"x" * size, length=size + 1)))
    assert bench.files() == []


def test_receive_of_a_breaking_body_leaves_nothing(bench: Bench) -> None:
    class Breaking(Chunks):
        async def __aiter__(self):
            yield b"x" * 3_000_000
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        bench.run(bench.store.receiver.receive(Breaking()))
    assert bench.files() == []


def test_ingest_takes_a_file_over(bench: Bench, tmp_path: Path) -> None:
    bench.create()
    source = tmp_path / "model.tar.gz"
    source.write_bytes(b"model" * 100_000)
    entry = bench.run(
        bench.store.ingest(
            ACCOUNT, REGION, "bucket", "out/model.tar.gz", source, metadata={"a": "b"}
        )
    )
    assert not source.exists()
    assert entry.etag == hashlib.md5(b"model" * 100_000).hexdigest()
    assert entry.attributes == {
        "ContentType": "binary/octet-stream",
        "Owner": ACCOUNT,
        "Metadata": {"a": "b"},
    }
    assert bench.store.read(entry, 5) == b"model"


@pytest.mark.parametrize("size", [10, 100_000])
def test_linked_bytes_outlive_the_object(bench: Bench, tmp_path: Path, size: int) -> None:
    bucket = bench.create()
    entry = bench.put("key", b"x" * size)
    bench.store.link(entry, tmp_path / "linked")
    bench.store.versions.remove(entry, bucket)
    bench.store.remove_released()
    assert (tmp_path / "linked").read_bytes() == b"x" * size
    assert bench.files() == []
    with pytest.raises(ObjectNotFound):
        bench.store.link(entry, tmp_path / "again")


SHARED_MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="no second file system at hand")
def test_ingest_and_link_across_file_systems(bench: Bench) -> None:
    bench.create()
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        source, linked = Path(folder) / "source", Path(folder) / "linked"
        source.write_bytes(b"m" * 300_000)
        entry = bench.run(bench.store.ingest(ACCOUNT, REGION, "bucket", "key", source))
        assert not source.exists()
        bench.store.link(entry, linked)
        assert linked.read_bytes() == b"m" * 300_000
        with pytest.raises(FileExistsError):
            bench.store.link(entry, linked)


def test_sweep_removes_only_what_no_row_refers_to(tmp_path: Path) -> None:
    before = Bench(tmp_path)
    before.create()
    before.put("kept", b"k" * 20_000)
    # Received but never recorded, as when the server is killed in between.
    before.run(before.store.receiver.receive(Chunks(b"l" * 20_000)))
    before.close()
    after = Bench(tmp_path)
    unfinished = after.run(after.store.receiver.receive(Chunks(b"n" * 20_000)))
    assert after.run(after.store.sweep()) == 1
    assert after.store.read(after.store.get("bucket", "kept")) == b"k" * 20_000
    assert unfinished.file is not None
    assert after.store.files.path(unfinished.file).exists()
    assert len(after.files()) == 2
    after.close()


def test_pinned_files_are_not_removed(bench: Bench) -> None:
    bucket = bench.create()
    entry = bench.put("key", b"x" * 20_000)
    with bench.store.files.pinned(entry.file):
        bench.store.versions.remove(entry, bucket)
        assert bench.store.remove_released() == 0
    assert bench.store.remove_released() == 1


def test_acknowledged_puts_survive_kill(tmp_path: Path) -> None:
    """A child writes and is killed with -9 at once; every key it reported is whole."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        bench = Bench(tmp_path)
        bench.create()
        for number in range(1000):
            bench.put(f"{number}", str(number).encode() * (1 + number % 2 * 20_000))
            os.write(writing, f"{number}\n".encode())
            if number == 20:
                os.kill(os.getpid(), 9)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as stream:
        reported = [int(line) for line in stream.read().split()]
    bench = Bench(tmp_path)
    assert reported == list(range(21))
    for number in reported:
        entry = bench.store.get("bucket", f"{number}")
        assert bench.store.read(entry) == str(number).encode() * (1 + number % 2 * 20_000)
    bench.close()
