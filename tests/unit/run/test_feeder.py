"""Bytes of a pipe-mode pass. Framing is compared with a reader written from MXNet's definition."""

from __future__ import annotations

import gzip
import json
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.run import feeder, job
from sagebrush.run.records import MemberExit, Reason
from sagebrush.run.spec import Feeder, ProcessSpec

from .conftest import Workbench, log_of, play, shell


def _passes(plan: Feeder, count: int) -> list[bytes]:
    """Return what a reader gets in the first `count` passes, as a job would read them."""
    pid = os.fork()
    if pid == 0:
        try:
            feeder.feed(plan)
        finally:
            os._exit(1)
    try:
        return [_read(Path(f"{plan.fifo}_{number}")) for number in range(count)]
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _read(fifo: Path) -> bytes:
    patience = threading.Event()
    while not fifo.exists():
        patience.wait(0.002)
    return fifo.read_bytes()


def _records(data: bytes) -> Iterator[bytes]:
    offset, parts = 0, b""
    while offset < len(data):
        magic, word = struct.unpack_from("<II", data, offset)
        assert magic == 0xCED7230A
        flag, length = word >> 29, word & ((1 << 29) - 1)
        parts += data[offset + 8 : offset + 8 + length]
        offset += 8 + (length + 3) // 4 * 4
        if flag in (0, 3):
            yield parts
            parts = b""
    assert offset == len(data)
    assert parts == b""


def _files(directory: Path, *contents: bytes) -> tuple[str, ...]:
    paths = [directory / f"source-{index}" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return tuple(str(path) for path in paths)


def test_feed_sends_sources_one_after_another_in_every_pass(tmp_path: Path) -> None:
    big = bytes(range(256)) * 8192
    plan = Feeder(str(tmp_path / "train"), _files(tmp_path, b"one,", big, b",three"))
    assert _passes(plan, 3) == [b"one," + big + b",three"] * 3
    assert not (tmp_path / "train_0").exists()


def test_feed_inflates_gzip_even_of_several_members(tmp_path: Path) -> None:
    packed = gzip.compress(b"one") + gzip.compress(b"two")
    plan = Feeder(str(tmp_path / "train"), _files(tmp_path, packed, gzip.compress(b"3")), gzip=True)
    assert _passes(plan, 1) == [b"onetwo3"]


@pytest.mark.parametrize("packed", [False, True])
def test_feed_wraps_each_source_as_one_record(tmp_path: Path, packed: bool) -> None:
    contents = [b"", b"a", b"four", b"x" * 100_001]
    stored = [gzip.compress(content) if packed else content for content in contents]
    plan = Feeder(str(tmp_path / "t"), _files(tmp_path, *stored), gzip=packed, wrap=True)
    assert list(_records(_passes(plan, 1)[0])) == contents


def test_feed_splits_a_record_longer_than_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "_LONGEST_PART_BYTES", 8)
    contents = [b"x" * 8, b"y" * 9, b"z" * 25]
    plan = Feeder(str(tmp_path / "t"), _files(tmp_path, *contents), wrap=True)
    data = _passes(plan, 1)[0]
    assert list(_records(data)) == contents
    assert [word >> 29 for word in struct.unpack_from("<4xI", data)] == [0]


def test_feed_shuffles_anew_and_reproducibly_in_each_pass(tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(30)]
    sources = _files(tmp_path, *(name.encode() for name in names))
    plan = Feeder(str(tmp_path / "a"), sources, shuffle_seed=5)
    again = Feeder(str(tmp_path / "b"), sources, shuffle_seed=5)
    first, second = _passes(plan, 2)
    for data in (first, second):
        assert sorted(data[i : i + 2].decode() for i in range(0, 60, 2)) == names
    assert first != second != "".join(names).encode()
    assert _passes(again, 2) == [first, second]


@pytest.mark.parametrize("seed", [None, 1])
def test_feed_sends_records_of_parts(tmp_path: Path, seed: int | None) -> None:
    (image,) = _files(tmp_path, b"image bytes")
    lines = [[{"path": image}, {"text": "7"}], [{"text": '{"ü": 1}'}, {"text": ""}]]
    manifest = tmp_path / "manifest"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plan = Feeder(str(tmp_path / "t"), records=str(manifest), wrap=True, shuffle_seed=seed)
    records = list(_records(_passes(plan, 1)[0]))
    expected = [[b"image bytes", b"7"], ['{"ü": 1}'.encode(), b""]]
    assert [records[:2], records[2:]] in (expected, expected[::-1])


def test_reader_that_closes_early_gets_the_next_pass(tmp_path: Path) -> None:
    plan = Feeder(str(tmp_path / "t"), _files(tmp_path, b"a" * 500_000))
    pid = os.fork()
    if pid == 0:
        try:
            feeder.feed(plan)
        finally:
            os._exit(1)
    try:
        patience = threading.Event()
        while not (tmp_path / "t_0").exists():
            patience.wait(0.002)
        with (tmp_path / "t_0").open("rb") as pipe:
            assert pipe.read(3) == b"aaa"
        assert len(_read(tmp_path / "t_1")) == 500_000
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_wrapped_records_come_back(contents: list[bytes]) -> None:
    import io

    pipe = io.BytesIO()
    for content in contents:
        feeder._send_wrapped(io.BytesIO(content), len(content), "memory", pipe)
    assert list(_records(pipe.getvalue())) == contents


def test_job_reads_its_channel(root: Path, isolation: str) -> None:
    async def story(bench: Workbench) -> None:
        fifo = "/opt/ml/input/data/pipe"
        script = "cat $FIFO_0; while [ ! -p $FIFO_1 ]; do sleep 0.01; done; cat $FIFO_1"
        member = shell(script, environment={"FIFO_0": f"{fifo}_0", "FIFO_1": f"{fifo}_1"})
        spec = bench.job("channel", member)
        tree = Path(spec.directory, "ml-algo-1")
        source = tree / "input/data/train/part"
        bench_plan = Feeder(str(tree / "input/data/pipe"), (str(source),))
        import dataclasses

        spec = dataclasses.replace(spec, feeders=(bench_plan,))
        waiting = "while [ ! -p $FIFO_0 ]; do sleep 0.01; done; "
        first = dataclasses.replace(spec.members[0], argv=("/bin/sh", "-c", waiting + script))
        ended = await bench.run(dataclasses.replace(spec, members=(first,)))
        assert (ended.exit_code, log_of(spec)) == (0, "originaloriginal")

    play(root, story, isolation=isolation)


def test_broken_source_fails_the_job_and_is_named(root: Path) -> None:
    async def story(bench: Workbench) -> None:
        broken = root / "broken.gz"
        broken.write_bytes(gzip.compress(os.urandom(1000))[:500])
        tree = root / "jobs" / "broken" / "ml-algo-1"
        plan = Feeder(str(tree / "input/data/pipe"), (str(broken),), gzip=True)
        script = "while [ ! -p $FIFO ]; do sleep 0.01; done; cat $FIFO; sleep 60"
        member = shell(script, environment={"FIFO": "/opt/ml/input/data/pipe_0"})
        ended = await bench.run(bench.job("broken", member, feeders=(plan,)))
        assert ended.reason is Reason.FEED_FAILED
        assert str(broken) in str(ended.error)
        assert "end-of-stream" in str(ended.error)

    play(root, story)


@pytest.mark.parametrize("code", [0, 4])
def test_broken_source_is_to_blame_however_its_reader_ends(root: Path, code: int) -> None:
    async def story(bench: Workbench) -> None:
        tree = root / "jobs" / "blame" / "ml-algo-1"
        plan = Feeder(str(tree / "input/data/pipe"), (str(root / "gone"),))
        script = f"while [ ! -p $FIFO ]; do sleep 0.01; done; cat $FIFO; exit {code}"
        member = shell(script, environment={"FIFO": "/opt/ml/input/data/pipe_0"})
        ended = await bench.run(bench.job("blame", member, feeders=(plan,)))
        assert ended.reason is Reason.FEED_FAILED
        assert str(root / "gone") in str(ended.error)

    play(root, story)


def test_source_is_to_blame_even_when_its_reader_was_reaped_first(tmp_path: Path) -> None:
    course = job.Job(ProcessSpec("race", str(tmp_path), (shell("exit 4"),)))
    report_read, report_write = os.pipe()
    os.write(report_write, b'{"error": "it is broken"}')
    os.close(report_write)
    course._member_failed(MemberExit("algo-1", exit_code=4))
    course._feeder_failed(job._Running("pipe", 0, report_read, None), 256)
    course._prefer_feed_error()
    assert (course.reason, course.error) == (Reason.FEED_FAILED, "pipe: it is broken")
