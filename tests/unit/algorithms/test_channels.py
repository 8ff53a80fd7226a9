"""Channels as folders and as pipes."""

import os
import threading

import pytest

from sagebrush.algorithms.channels import ChannelConfig, ChannelReader
from sagebrush.algorithms.errors import ClientError


def test_files_come_in_key_order_without_marker_files(tmp_path):
    for name in ("b", "a/2", "a/1", "_SUCCESS", ".x", "_temporary/0", ".git/y", "c.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    reader = ChannelReader(ChannelConfig("train", tmp_path))
    assert [str(path.relative_to(tmp_path)) for path in reader.files()] == [
        "a/1",
        "a/2",
        "b",
        "c.csv",
    ]
    names, contents = [], []
    for stream in reader.streams():
        with stream.open() as data:
            names.append(stream.name)
            contents.append(data.read())
    assert names == ["train/a/1", "train/a/2", "train/b", "train/c.csv"]
    assert contents == [b"a/1", b"a/2", b"b", b"c.csv"]


def test_a_channel_may_be_one_file(tmp_path):
    (tmp_path / "data.csv").write_text("1")
    (stream,) = ChannelReader(ChannelConfig("train", tmp_path / "data.csv")).streams()
    with stream.open() as data:
        assert data.read() == b"1"


def test_a_channel_without_data_is_the_users_mistake(tmp_path):
    with pytest.raises(ClientError, match="No data was found in the 'train' channel"):
        ChannelReader(ChannelConfig("train", tmp_path / "missing")).files()


def test_a_reader_waits_for_the_fifo_of_each_epoch(tmp_path):
    def feed() -> None:
        for epoch in range(3):
            os.mkfifo(tmp_path / f"train_{epoch}")
            (tmp_path / f"train_{epoch}").write_bytes(b"epoch %d" % epoch)

    feeder = threading.Timer(0.05, feed)
    feeder.start()
    reader = ChannelReader(ChannelConfig("train", tmp_path / "train", mode="Pipe"))
    assert reader.is_pipe
    found = []
    for _ in range(3):
        (stream,) = reader.streams()
        with stream.open() as data:
            found.append((stream.name, data.read()))
    feeder.join()
    assert found == [(f"train_{epoch}", b"epoch %d" % epoch) for epoch in range(3)]


def test_waiting_for_a_fifo_ends_when_the_job_is_stopped(tmp_path):
    config = ChannelConfig("train", tmp_path / "train", mode="Pipe")
    (stream,) = ChannelReader(config, stop_requested=lambda: True).streams()
    with pytest.raises(InterruptedError):
        stream.open()
