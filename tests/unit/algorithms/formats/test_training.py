"""Training data from a channel, whatever its content type and mode."""

import gzip
import io
import os
import threading

import numpy as np
import pytest

from sagebrush.algorithms.channels import ChannelConfig, ChannelReader
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch, concatenate
from sagebrush.algorithms.formats.csv import read_csv_blocks
from sagebrush.algorithms.formats.libsvm import read_libsvm_blocks
from sagebrush.algorithms.formats.recordio_protobuf import read_blocks
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.formats.row_flaws import RowFlaw
from sagebrush.algorithms.formats.training import training_batches

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


def reader(path, content_type=None, mode="File") -> ChannelReader:
    return ChannelReader(ChannelConfig("train", path, content_type, mode))


def recordio(rows=ROWS, labels=ROWS[:, 0]) -> bytes:
    out = io.BytesIO()
    write_dense(out, rows, labels)
    return out.getvalue()


def csv(rows=ROWS) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())


def test_no_content_type_means_recordio_protobuf(tmp_path):
    (tmp_path / "a.pbr").write_bytes(recordio(ROWS[:7], ROWS[:7, 0]))
    (tmp_path / "b.pbr").write_bytes(recordio(ROWS[7:], ROWS[7:, 0]))
    (tmp_path / "_SUCCESS").write_text("no data")
    (tmp_path / ".part").write_text("no data")
    batches = list(training_batches(reader(tmp_path), 8))
    assert [batch.rows for batch in batches] == [8, 8, 4]
    np.testing.assert_array_equal(concatenate(batches).features, ROWS)
    np.testing.assert_array_equal(concatenate(batches).labels, ROWS[:, 0])


@pytest.mark.parametrize(
    ("content_type", "feature_dim", "default", "label_columns"),
    [
        ("text/csv", None, 1, 1),
        ("text/csv", None, 0, 0),
        ("text/csv;label_size=0", None, 1, 0),
        ("text/csv; label_size=2", None, 1, 2),
        ("text/csv", 3, 1, 0),
        ("text/csv", 2, 0, 1),
    ],
)
def test_csv_labels_come_first(tmp_path, content_type, feature_dim, default, label_columns):
    (tmp_path / "a.csv").write_text(csv())
    (batch,) = training_batches(
        reader(tmp_path, content_type), 99, feature_dim=feature_dim, default_label_size=default
    )
    np.testing.assert_array_equal(batch.features, ROWS[:, label_columns:])
    if label_columns == 0:
        assert batch.labels is None
    else:
        np.testing.assert_array_equal(
            batch.labels, ROWS[:, 0] if label_columns == 1 else ROWS[:, :label_columns]
        )


def test_compressed_files_are_read(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(csv().encode()))
    (batch,) = training_batches(reader(tmp_path, "text/csv"), 99)
    np.testing.assert_array_equal(batch.labels, ROWS[:, 0])


def test_a_compressed_file_that_is_cut_off_is_named(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(csv().encode())[:-9])
    with pytest.raises(ClientError, match=r"inflate train/a.csv.gz"):
        list(training_batches(reader(tmp_path, "text/csv"), 99))


def test_each_epoch_of_a_pipe_is_the_next_fifo(tmp_path):
    def feed() -> None:
        for epoch in range(2):
            path = tmp_path / f"train_{epoch}"
            os.mkfifo(path)
            with path.open("wb") as pipe:
                pipe.write(recordio(ROWS + epoch))

    feeder = threading.Thread(target=feed)
    feeder.start()
    pipe = reader(tmp_path / "train", mode="Pipe")
    for epoch in range(2):
        batches = list(training_batches(pipe, 6))
        np.testing.assert_array_equal(concatenate(batches).features, ROWS + epoch)
    feeder.join()


def test_a_pipe_may_be_left_early(tmp_path):
    refused = threading.Event()

    def feed() -> None:
        os.mkfifo(tmp_path / "train_0")
        with (tmp_path / "train_0").open("wb", buffering=0) as pipe:
            try:
                while True:
                    pipe.write(recordio())
            except BrokenPipeError:
                refused.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    batches = training_batches(reader(tmp_path / "train", mode="Pipe"), 5)
    np.testing.assert_array_equal(next(batches).features, ROWS[:5])
    batches.close()
    feeder.join(10)
    assert refused.is_set()


@pytest.mark.parametrize(
    ("name", "content", "content_type", "feature_dim", "message"),
    [
        ("a.csv", "1,2\n3,x\n", "text/csv", None, "row 2 of train/a.csv"),
        ("a.pbr", "1,2\n3,4\n", None, None, "record 0 of train/a.pbr.*magic"),
        ("a.csv", "1,2,3\n", "text/csv", 7, "train/a.csv: its rows have 2 features, expected 7"),
        ("a.csv", "1,2\n", "text/csv;label_size=2", None, "label_size '2' does not fit 2 columns"),
        ("a.csv", "1,2\n", "csv", None, r"No iterator .* ContentType \('csv', '1.0'\)"),
        ("_a.csv", "1,2\n", "text/csv", None, "No data was found in the 'train' channel"),
    ],
)
def test_bad_data_is_named(tmp_path, name, content, content_type, feature_dim, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ClientError, match=message):
        list(training_batches(reader(tmp_path, content_type), 9, feature_dim=feature_dim))


def test_the_channel_and_its_content_type_are_named_too(tmp_path):
    (tmp_path / "a").write_text("x\n")
    with pytest.raises(ClientError) as raised:
        list(training_batches(reader(tmp_path, "text/csv;label_size=0"), 9))
    assert str(raised.value).startswith(
        "Unable to read data channel 'train'. Requested content-type is 'text/csv'. "
        "Please verify the data matches the requested content-type."
    )


def test_files_of_different_widths_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,3\n")
    (tmp_path / "b.csv").write_text("1,2\n")
    with pytest.raises(ClientError, match=r"train/b.csv: its rows have 1 features, expected 2"):
        list(training_batches(reader(tmp_path, "text/csv"), 9))


class Endless(io.RawIOBase):
    """Repeats some bytes for ever and counts how many were taken."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        start = self.taken % len(self.content)
        part = self.content[start : start + len(buffer)]
        buffer[: len(part)] = part
        self.taken += len(part)
        return len(part)


@pytest.mark.parametrize("kind", ["csv", "records", "libsvm"])
def test_data_without_end_is_read_a_few_megabytes_at_a_time(kind):
    content = {"csv": csv().encode(), "records": recordio(), "libsvm": b"1 3:4 7:5\n" * 20}[kind]
    read = {"csv": read_csv_blocks, "records": read_blocks, "libsvm": read_libsvm_blocks}[kind]
    endless = Endless(content * 100)
    blocks = read(io.BufferedReader(endless), "train")
    rows = 0
    for _ in range(3):
        block = next(blocks)
        rows += len(block) if kind == "csv" else block.rows
        assert endless.taken - rows * len(content) / 20 < 16_000_000
    assert rows > 1000


def test_a_row_with_a_flaw_is_named_within_its_file(tmp_path):
    flawed = ROWS.copy()
    flawed[11, 2] = np.nan
    (tmp_path / "a.csv").write_text(csv())
    (tmp_path / "b.csv").write_text(csv(flawed))
    with pytest.raises(ClientError, match=r"Example 12 of train/b.csv has a feature that is not"):
        list(training_batches(reader(tmp_path, "text/csv"), 6))


def test_who_trains_says_which_rows_are_flawed(tmp_path):
    def find_flaw(batch: Batch) -> RowFlaw | None:
        rows = np.flatnonzero(batch.labels == 9)
        return RowFlaw(int(rows[0]), "has the label 9.") if len(rows) else None

    (tmp_path / "a.csv").write_text(csv())
    with pytest.raises(ClientError, match=r"^Example 4 of train/a.csv has the label 9\.$"):
        list(training_batches(reader(tmp_path, "text/csv"), 50, find_flaw=find_flaw))
