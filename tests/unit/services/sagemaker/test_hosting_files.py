"""Models laid out on disk, and what model servers print."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from sagebrush.engines.fleets import Place
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.container_logs import ContainerLogs
from sagebrush.services.sagemaker.hosting.model_data import ModelDataError, lay_out_model
from sagebrush.services.sagemaker.hosting.records import Resource

ACCOUNT = "111122223333"


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def uncompressed(bucket: str, prefix: str) -> dict[str, Any]:
    source = {
        "S3Uri": f"s3://{bucket}/{prefix}",
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    return {"ModelDataSource": {"S3DataSource": source}}


@pytest.mark.parametrize("durable", [False, True])
def test_an_archive_is_extracted_whole(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    import dataclasses

    settings = dataclasses.replace(server.platform.settings, durable=durable)
    monkeypatch.setattr(server.platform, "settings", settings)
    bucket = server.bucket(**{"m.tar.gz": archive(model=b"1", code__inference=b"2")})
    target = tmp_path / "model"
    container = {"ModelDataUrl": f"s3://{bucket}/m.tar.gz"}
    server.run(lay_out_model(server.platform, container, target))
    assert files(target) == {"model": b"1", "code/inference": b"2"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    # A folder that has its name is whole: nothing is fetched again.
    server.put(bucket, "m.tar.gz", archive(model=b"other"))
    server.run(lay_out_model(server.platform, container, target))
    assert files(target)["model"] == b"1"


def test_what_an_interrupted_attempt_left_is_not_taken(server: Any, tmp_path: Path) -> None:
    bucket = server.bucket(**{"m.tar.gz": archive(model=b"1")})
    (tmp_path / "model.part").mkdir()
    (tmp_path / "model.part" / "half").write_bytes(b"x")
    (tmp_path / "model.part.tar.gz").write_bytes(b"x")
    container = {"ModelDataUrl": f"s3://{bucket}/m.tar.gz"}
    server.run(lay_out_model(server.platform, container, tmp_path / "model"))
    assert files(tmp_path) == {"model/model": b"1"}


def test_a_model_may_be_the_objects_below_a_prefix(server: Any, tmp_path: Path) -> None:
    bucket = server.bucket(m__one=b"1", m__deep__two=b"2", other=b"3", m2=b"4")
    server.put(bucket, "m/folder/", b"")
    container = uncompressed(bucket, "m/")
    server.run(lay_out_model(server.platform, container, tmp_path / "model"))
    assert files(tmp_path / "model") == {"one": b"1", "deep/two": b"2"}


def test_no_object_leaves_the_folder(server: Any, tmp_path: Path) -> None:
    bucket = server.bucket()
    server.put(bucket, "m/../../escaped", b"x")
    with pytest.raises(ModelDataError, match="outside"):
        server.run(lay_out_model(server.platform, uncompressed(bucket, "m/"), tmp_path / "model"))
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_an_artefact(server: Any, tmp_path: Path) -> None:
    server.run(lay_out_model(server.platform, {}, tmp_path / "model"))
    assert files(tmp_path) == {}
    assert (tmp_path / "model").is_dir()


def damaged(body: bytes, start: int, stop: int) -> bytes:
    return body[:start] + b"\xff" * (stop - start) + body[stop:]


def no_deflate(body: bytes) -> bytes:
    """Return the archive broken so that its middle cannot even be inflated."""
    for start in range(len(body) // 2, len(body)):
        broken = damaged(body, start, start + 2)
        try:
            gzip.decompress(broken)
        except zlib.error:
            return broken
        except OSError:
            continue
    raise AssertionError("every change can be inflated")


# Bytes that do not compress are stored as they are: only the checksum tells that some changed.
NOISE = archive(model=random.Random(1).randbytes(50_000))
TEXT = archive(model=" ".join(map(str, range(20_000))).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        archive(model=b"1" * 9999)[:-20],
        damaged(NOISE, 20_000, 20_100),
        damaged(TEXT, 20_000, 20_100),
        no_deflate(TEXT),
    ],
    # An archive tells the second it was made at: as an id it would be another in every worker.
    ids=["empty", "no archive", "cut off", "wrong checksum", "wrong text", "no deflate"],
)
def test_a_broken_archive_leaves_nothing(server: Any, tmp_path: Path, body: bytes) -> None:
    bucket = server.bucket(**{"m.tar.gz": body})
    url = f"s3://{bucket}/m.tar.gz"
    with pytest.raises(ModelDataError, match=url):
        server.run(lay_out_model(server.platform, {"ModelDataUrl": url}, tmp_path / "model"))
    assert list(tmp_path.iterdir()) == []


def logs_of(server: Any) -> ContainerLogs:
    endpoint = Resource(
        records.ENDPOINT, ACCOUNT, server.region, "spoken", "InService", 1.0, 1.0, {}, {}
    )
    return ContainerLogs(server.platform, endpoint)


def lines(server: Any) -> dict[str, list[str]]:
    logs = server.platform.logs
    group = logs.group(ACCOUNT, server.region, "/aws/sagemaker/Endpoints/spoken")
    return {
        stream.name: [
            row["message"]
            for row in server.platform.db.all(
                "SELECT message FROM logs_events WHERE stream_id = ? ORDER BY position",
                (stream.id,),
            )
        ]
        for stream in logs.streams(group)
    }


def process(folder: Path, number: int) -> Path:
    directory = folder / "instance" / str(number)
    directory.mkdir(parents=True)
    return directory


def test_the_last_words_are_kept_even_without_an_end(server: Any, tmp_path: Path) -> None:
    logs, directory = logs_of(server), process(tmp_path, 1)
    (directory / "server.log").write_text("one\n\ntwo\nlast")

    async def at_once() -> None:
        logs.server_started(Place("f", "v", 0), directory)
        await logs.server_ended(directory)
        await logs.server_ended(directory)

    server.run(at_once())
    ((stream, said),) = lines(server).items()
    assert said == ["one", "two", "last"]
    assert stream.startswith("v/i-0")
    assert server.platform.db.all("SELECT * FROM sagemaker_hosting_logs") == []


def test_a_silent_process_has_a_stream(server: Any, tmp_path: Path) -> None:
    logs, directory = logs_of(server), process(tmp_path, 1)

    async def at_once() -> None:
        logs.server_started(Place("f", "v", 0, "two"), directory)
        assert [stream.rpartition("/")[2] for stream in lines(server)] == ["two"]
        await logs.server_ended(directory)

    server.run(at_once())
    ((stream, said),) = lines(server).items()
    assert stream.startswith("v/i-0")
    assert said == []


def test_a_replacement_speaks_in_the_same_stream(server: Any, tmp_path: Path) -> None:
    logs = logs_of(server)
    for number in (1, 2):
        directory = process(tmp_path, number)
        (directory / "server.log").write_text(f"process {number}\n")

        async def life(directory: Path = directory) -> None:
            logs.server_started(Place("f", "v", 0), directory)
            await logs.server_ended(directory)

        server.run(life())
    assert list(lines(server).values()) == [["process 1", "process 2"]]


def test_a_server_that_comes_back_goes_on_where_it_was(server: Any, tmp_path: Path) -> None:
    directory = process(tmp_path, 1)
    log = directory / "server.log"
    log.write_text("before\nhal")

    async def first() -> None:
        logs_of(server).server_started(Place("f", "v", 0), directory)

    server.run(first())
    server.until(lambda: bool(server.platform.db.all("SELECT * FROM sagemaker_hosting_logs")))
    # The process writes on while the server is gone.
    for task in list(server.platform.tasks):
        if str(directory) in task.get_name():
            task.cancel()
    server.until(lambda: not any(str(directory) in t.get_name() for t in server.platform.tasks))
    log.write_text("before\nhalf\nafter\n")

    async def second() -> None:
        logs = logs_of(server)
        logs.server_started(Place("f", "v", 0), directory)
        await logs.server_ended(directory)

    server.run(second())
    assert list(lines(server).values()) == [["before", "half", "after"]]
