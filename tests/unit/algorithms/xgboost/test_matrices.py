"""Data matrices from channels: in memory, from pipes, and paged to disk when too large."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.memory import cgroup_limit_files, memory_limit_bytes
from sagebrush.algorithms.xgboost import matrices, paging
from sagebrush.algorithms.xgboost.channel_rows import ChannelRows, ShallowReader, sniff_delimiter
from sagebrush.algorithms.xgboost.matrices import in_memory_rows_bytes, read_matrix
from sagebrush.algorithms.xgboost.paging import MatrixOptions, Survey
from sagebrush.algorithms.xgboost.vocabulary import CSV, LIBSVM, PARQUET

OPTIONS = MatrixOptions(threads=1)


def rows_of(folder: Path, data_format: str = CSV, mode: str = "File") -> ChannelRows:
    return ChannelRows(ShallowReader(ChannelConfig("train", folder, None, mode)), data_format)


@contextmanager
def fed_pipes(folder: Path, text: bytes, epochs: int) -> Iterator[None]:
    """Serves the text through the FIFO of each epoch, as the platform does."""

    def feed() -> None:
        for path in paths:
            try:
                path.write_bytes(text)
            except BrokenPipeError:
                continue

    paths = [folder.with_name(f"{folder.name}_{epoch}") for epoch in range(epochs)]
    for path in paths:
        os.mkfifo(path)
    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    yield
    while feeder.is_alive():
        # Open what training did not read, so that the feeder comes to its end.
        for path in paths:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        feeder.join(0.01)


def test_a_pipe_is_read_like_a_file(tmp_path, make_data, csv_text):
    features, labels = make_data()
    text = csv_text(labels, features)
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "a.csv").write_text(text)
    with fed_pipes(tmp_path / "pipe", text.encode(), epochs=1):
        piped = read_matrix([rows_of(tmp_path / "pipe", mode="Pipe")], OPTIONS)
    from_file = read_matrix([rows_of(tmp_path / "file")], OPTIONS)
    np.testing.assert_array_equal(piped.get_data().toarray(), from_file.get_data().toarray())
    np.testing.assert_array_equal(piped.get_label(), from_file.get_label())


def test_parquet_files_come_through_a_pipe_one_after_the_other(tmp_path, make_data):
    features, labels = make_data()
    table = pa.table({str(i): c for i, c in enumerate([labels, *features.T])})
    half = len(labels) // 2
    parts = []
    for part in (table.slice(0, half), table.slice(half)):
        sink = pa.BufferOutputStream()
        pq.write_table(part, sink)
        parts.append(sink.getvalue().to_pybytes())
    with fed_pipes(tmp_path / "pipe", b"".join(parts), epochs=1):
        piped = read_matrix([rows_of(tmp_path / "pipe", PARQUET, mode="Pipe")], OPTIONS)
    np.testing.assert_array_equal(piped.get_label(), labels)
    assert piped.num_row() == len(features)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "in_memory_rows_bytes", lambda: 10_000)
    monkeypatch.setattr(paging, "page_bytes", lambda _: 16_000)


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("mode", ["File", "Pipe"])
@pytest.mark.parametrize("method", ["hist", "approx"])
def test_data_larger_than_memory_trains_from_pages(tmp_path, make_data, csv_text, mode, method):
    features, labels = make_data(4000, kind="value")
    text = csv_text(labels, features)
    folder = tmp_path / "train"
    if mode == "File":
        folder.mkdir()
        for part in range(4):
            lines = text.splitlines(keepends=True)[part * 1000 : part * 1000 + 1000]
            (folder / f"{part}.csv").write_text("".join(lines))
    options = MatrixOptions(threads=1, tree_method=method)
    parameters = {"tree_method": method, "max_depth": 4, "nthread": 1}
    with fed_pipes(folder, text.encode(), 0 if mode == "File" else 12):
        paged = read_matrix([rows_of(folder, mode=mode)], options)
    assert (paged.num_row(), paged.num_col()) == (4000, 4)
    np.testing.assert_array_equal(paged.get_label(), labels)
    trained = xgboost.train(parameters, paged, 20)
    in_memory = xgboost.train(parameters, xgboost.DMatrix(features, label=labels), 20)
    check = xgboost.DMatrix(features)
    paged_error = np.mean((trained.predict(check) - labels) ** 2)
    plain_error = np.mean((in_memory.predict(check) - labels) ** 2)
    assert paged_error < 1.1 * plain_error < 0.1 * labels.var()


@pytest.mark.usefixtures("small_memory")
def test_a_pipe_is_closed_before_its_next_pass_is_opened(
    tmp_path, make_data, csv_text, monkeypatch
):
    """The feeder of a pass that is not read to its end can only go on once the pass is closed."""
    text = csv_text(*reversed(make_data(2000))).encode()
    copies = (24 << 20) // len(text)  # more than the reader and the pipe take in at once
    rows = rows_of(tmp_path / "train", mode="Pipe")
    monkeypatch.setattr(matrices, "paged_matrix", lambda *_: seen.append(next(rows.batches())))
    seen: list[Batch] = []
    with fed_pipes(tmp_path / "train", text * copies, 3):
        reading = threading.Thread(target=read_matrix, args=([rows], OPTIONS), daemon=True)
        reading.start()
        reading.join(30)
        assert len(seen) == 1


@pytest.mark.usefixtures("small_memory")
def test_sparse_pages_are_as_wide_as_the_widest_row(tmp_path):
    lines = [f"{index % 2} {index % 7}:1 {3 * (index % 50)}:2\n" for index in range(4000)]
    (tmp_path / "a").write_text("".join(lines[:2000]))
    (tmp_path / "b").write_text("".join([*lines[2000:], "1 200:5\n"]))
    matrix = read_matrix([rows_of(tmp_path, LIBSVM)], MatrixOptions(1, tree_method="hist"))
    assert (matrix.num_row(), matrix.num_col()) == (4001, 201)
    assert xgboost.train({"tree_method": "hist", "nthread": 1}, matrix, 2).num_features() == 201


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("options", [{"tree_method": "exact"}, {"booster": "gblinear"}])
def test_methods_that_need_all_rows_say_so(tmp_path, make_data, csv_text, options):
    features, labels = make_data(4000)
    (tmp_path / "a.csv").write_text(csv_text(labels, features))
    with pytest.raises(ClientError, match="larger than the memory"):
        read_matrix([rows_of(tmp_path)], MatrixOptions(threads=1, **options))


@pytest.mark.usefixtures("small_memory")
def test_a_bad_row_deep_in_paged_data_is_named(tmp_path, make_data, csv_text):
    features, labels = make_data(4000)
    text = csv_text(labels, features)
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_text(text + "1,2,three,4,5\n")
    with pytest.raises(ClientError, match=r"row 4001 of train/b.csv: column 3 holds 'three'"):
        read_matrix([rows_of(tmp_path)], MatrixOptions(threads=1, tree_method="hist"))


@pytest.mark.usefixtures("small_memory")
def test_a_paged_job_trains_with_validation_and_early_stopping(job, make_data, csv_text):
    features, labels = make_data(3000)
    job.add("train", {"a.csv": csv_text(labels[:2000], features[:2000])})
    job.add("validation", {"a.csv": csv_text(labels[2000:], features[2000:])})
    output = job.run(
        objective="binary:logistic", eval_metric="accuracy,logloss", early_stopping_rounds="5",
        tree_method="hist", num_round="10",
    )  # fmt: skip
    assert "[9]\ttrain-logloss:" in output
    booster = xgboost.Booster(model_file=bytearray(job.model_path.read_bytes()))
    accuracy = np.mean((booster.predict(xgboost.DMatrix(features)) > 0.5) == labels)
    assert accuracy > 0.95


def test_bins_of_paged_rows_come_from_a_sample_of_all(tmp_path, make_data, csv_text, monkeypatch):
    """Rows sorted by their first feature, so that no part of them is like the whole."""
    features, labels = make_data(40_000, kind="value")
    order = features[:, 0].argsort()
    features, labels = features[order], labels[order]
    (tmp_path / "a.csv").write_text(csv_text(labels, features))
    monkeypatch.setattr(matrices, "in_memory_rows_bytes", lambda: 400_000)
    monkeypatch.setattr(paging, "page_bytes", lambda _: 50_000)
    paged = read_matrix([rows_of(tmp_path)], MatrixOptions(threads=1, tree_method="hist"))
    np.testing.assert_array_equal(paged.get_label(), labels)
    ends, edges = paged.get_quantile_cut()
    shares = np.searchsorted(np.sort(features[:, 0]), edges[: int(ends[1])]) / len(features)
    assert np.diff(shares).max() < 3 / 256
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, paged, 20)
    whole = xgboost.train(
        {"max_depth": 4, "nthread": 1}, xgboost.DMatrix(features, label=labels), 20
    )
    check = xgboost.DMatrix(features)
    errors = [np.mean((each.predict(check) - labels) ** 2) for each in (booster, whole)]
    assert errors[0] < 1.1 * errors[1] < 0.1 * labels.var()


def test_quantiles_of_a_column_are_those_of_its_known_values():
    generator = np.random.default_rng(3)
    rows = np.column_stack(
        [
            generator.exponential(size=5000),
            generator.integers(0, 7, 5000),
            np.where(generator.random(5000) < 0.5, np.nan, np.arange(5000)),
            np.full(5000, np.nan),
        ]
    ).astype(np.float32)
    chosen = paging.column_quantiles(rows, None, 101, 32)
    assert chosen.shape == (101, 4)
    expected = np.quantile(rows[:, 0], np.linspace(0, 1, 101), method="closest_observation")
    np.testing.assert_allclose(np.argsort(np.argsort(chosen[:, 0])), np.arange(101))
    assert np.abs(np.searchsorted(np.sort(rows[:, 0]), chosen[:, 0]) -
                  np.searchsorted(np.sort(rows[:, 0]), expected)).max() <= 2  # fmt: skip
    assert [chosen[0, 0], chosen[-1, 0]] == [rows[:, 0].min(), rows[:, 0].max()]
    np.testing.assert_array_equal(chosen[:7, 1], np.arange(7))
    assert np.isnan(chosen[7:, 1]).all()
    np.testing.assert_allclose(chosen[:, 2], np.linspace(0, 4999, 101), atol=150)
    assert np.isnan(chosen[:, 3]).all()


def test_heavy_rows_count_more_for_quantiles():
    rows = np.arange(1000, dtype=np.float32)[:, None]
    weights = np.where(rows[:, 0] < 100, 9.0, 1.0).astype(np.float32)
    chosen = paging.column_quantiles(rows, weights, 91, 32)
    assert np.mean(chosen < 100) == pytest.approx(0.5, abs=0.02)


def test_histograms_are_let_go_of_where_memory_is_short(monkeypatch, tmp_path, make_data, csv_text):
    features, labels = make_data(4000)
    (tmp_path / "a.csv").write_text(csv_text(labels, features))
    monkeypatch.setattr(matrices, "in_memory_rows_bytes", lambda: 10_000)
    paged = read_matrix([rows_of(tmp_path)], OPTIONS)
    in_memory = xgboost.DMatrix(features, label=labels)
    monkeypatch.setattr(paging, "memory_limit_bytes", lambda: 6 * 20 * 4 * 256 * 16)
    assert paging.cached_histogram_nodes(paged, None) == 20
    assert paging.cached_histogram_nodes(paged, 128) == 40
    assert paging.cached_histogram_nodes(paged, 1024) == paging.FEWEST_CACHED_NODES
    assert paging.cached_histogram_nodes(in_memory, None) is None
    grown = [
        xgboost.train({"max_depth": 7, "nthread": 1} | bound, paged, 3).predict(in_memory)
        for bound in ({"max_cached_hist_node": 16}, {})
    ]
    np.testing.assert_allclose(*grown, atol=1e-4)


def test_every_row_is_as_likely_in_the_sample():
    drawn = np.zeros(20)
    for seed in range(400):
        survey = Survey(MatrixOptions(1, max_bin=2), 4 * 32 * 2, samples=True)
        survey._random = np.random.default_rng(seed)
        for first in range(0, 2000, 250):
            rows = np.arange(first, first + 250, dtype=np.float32)
            survey.add(Batch(np.column_stack([rows, rows])))
        drawn += np.bincount((survey._rows.features[:, 0] // 100).astype(int), minlength=20)
    assert np.abs(drawn / drawn.mean() - 1).max() < 0.15


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        ("1,2,3", ","),
        ("1\t2\t3", "\t"),
        ("1;2.5;3", ";"),
        ("1|2|3", "|"),
        ("1 2 3", " "),
        ("1,,", ","),
    ],
)
def test_delimiters_are_told_from_the_first_line(line: str, delimiter: str):
    assert sniff_delimiter(line) == delimiter


def test_the_memory_for_rows_is_a_share_of_the_limit():
    assert 0 < in_memory_rows_bytes() < memory_limit_bytes()


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("0::/", ["memory.max"]),
        ("0::/a/b", ["a/b/memory.max", "a/memory.max", "memory.max"]),
        (
            "4:cpu,memory:/job",
            ["memory/job/memory.limit_in_bytes", "memory/memory.limit_in_bytes"],
        ),
        ("1:cpu:/job", []),
    ],
)
def test_limits_of_either_version_of_control_groups_are_found(line: str, files: list[str]):
    found = cgroup_limit_files(line)
    assert [str(path) for path in found] == [f"/sys/fs/cgroup/{name}" for name in files]
