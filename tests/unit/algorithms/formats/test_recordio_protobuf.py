"""RecordIO-protobuf against Google's protobuf library."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from tests.unit.algorithms.formats import record_oracle as oracle

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import concatenate
from sagebrush.algorithms.formats.recordio_protobuf import decode, read_blocks

FLOATS = st.floats(-1e6, 1e6, width=32)
DTYPES = st.sampled_from([np.float32, np.float64, np.int32])


def read(data: bytes):
    return concatenate(list(read_blocks(io.BytesIO(data), "train/part-0")))


def as_dtype(array: np.ndarray, dtype: type) -> np.ndarray:
    return array.astype(dtype)


@given(
    rows=hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 12)), elements=FLOATS),
    dtype=DTYPES,
    label_dtype=DTYPES,
    with_label=st.booleans(),
    uid=st.lists(st.text(max_size=5), min_size=40, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_dense_records_of_any_tensor_type_come_back(rows, dtype, label_dtype, with_label, uid):
    rows = as_dtype(rows, dtype)
    labels = as_dtype(np.arange(len(rows)) - 3, label_dtype)
    records = [
        oracle.dense(row, labels[i : i + 1] if with_label else None, uid=uid[i], metadata="m")
        for i, row in enumerate(rows)
    ]

    batch = read(oracle.stream(*records))

    np.testing.assert_array_equal(batch.features, rows.astype(np.float32))
    assert batch.features.dtype == np.float32
    if with_label:
        np.testing.assert_array_equal(batch.labels, labels.astype(np.float32))
    else:
        assert batch.labels is None


@given(
    st.lists(
        st.dictionaries(st.integers(0, 299), FLOATS, max_size=20).map(lambda d: sorted(d.items())),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_sparse_records_come_back(rows, with_label):
    records = [
        oracle.sparse(
            [key for key, _ in row],
            np.array([value for _, value in row], np.float32),
            300,
            np.array([i], np.float32) if with_label else None,
        )
        for i, row in enumerate(rows)
    ]
    expected = np.zeros((len(rows), 300), np.float32)
    for i, row in enumerate(rows):
        for key, value in row:
            expected[i, key] = value

    batch = read(oracle.stream(*records))

    assert sparse.issparse(batch.features)
    np.testing.assert_array_equal(batch.features.toarray(), expected)
    assert (batch.labels is not None) == with_label


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=30))
def test_integers_of_any_size_come_back_as_floats(numbers):
    values = np.array(numbers, np.int32)
    batch = read(oracle.stream(oracle.dense(values), oracle.dense(values)))
    np.testing.assert_array_equal(batch.features[1], values.astype(np.float32))


def test_several_labels_per_record_make_a_matrix():
    records = [
        oracle.dense(np.zeros(2, np.float32), np.array([i, i + 1], np.float32)) for i in range(3)
    ]
    np.testing.assert_array_equal(read(oracle.stream(*records)).labels, [[0, 1], [1, 2], [2, 3]])


def test_numbers_that_are_not_packed_are_read():
    record = oracle.UnpackedRecord()
    tensor = record.features["values"].float32_tensor
    tensor.values.extend([1.5, 2.5])
    tensor.keys.extend([3, 300])
    tensor.shape.append(301)
    batch = read(oracle.frame(record.SerializeToString()))
    assert batch.features[0, 300] == 2.5
    assert batch.features.shape == (1, 301)


def test_rows_before_and_after_a_change_of_layout_are_read():
    records = [
        oracle.dense(np.array([1, 2], np.float32)),
        oracle.dense(np.array([3, 4], np.float64)),
        oracle.dense(np.array([5, 6], np.int32), uid="u"),
        oracle.sparse([1], np.array([7], np.float32), 2),
    ]
    batch = read(oracle.stream(*records))
    np.testing.assert_array_equal(batch.features.toarray(), [[1, 2], [3, 4], [5, 6], [0, 7]])


def test_a_stream_longer_than_a_chunk_is_read_whole():
    rows = np.random.default_rng(0).random((3000, 50)).astype(np.float32)
    data = oracle.stream(*(oracle.dense(row) for row in rows)) * 8
    blocks = list(read_blocks(io.BytesIO(data), "f"))
    assert len(blocks) > 1
    np.testing.assert_array_equal(concatenate(blocks).features, np.concatenate([rows] * 8))


@pytest.mark.parametrize(
    ("spoil", "index", "reason"),
    [
        (lambda data: data[:-3], 2, "ends inside"),
        (lambda data: data + b"junkjunk", 3, "magic"),
        (lambda data: data[: len(data) * 2 // 3 + 10] + b"\xff" * (len(data) // 3 - 10), 2, ""),
    ],
)
def test_a_broken_record_is_named_with_its_file(spoil, index, reason):
    data = oracle.stream(*(oracle.dense(np.ones(16, np.float32)) for _ in range(3)))
    with pytest.raises(ClientError, match=rf"record {index} of train/part-0: .*{reason}"):
        read(spoil(data))


def test_a_broken_record_behind_many_chunks_is_named():
    good = oracle.stream(*[oracle.dense(np.ones(250, np.float32))] * 10_000)
    with pytest.raises(ClientError, match="record 10000 of train/part-0: it has no feature"):
        read(good + oracle.stream(oracle.Record(), oracle.dense(np.ones(250, np.float32))))


def test_further_entries_of_a_map_do_not_hide_what_follows():
    record = oracle.dense(np.ones(2, np.float32), np.array([5], np.float32))
    record.features["weights"].float32_tensor.values.append(7)
    batch = read(oracle.stream(*[record] * 20))
    np.testing.assert_array_equal(batch.features, np.ones((20, 2)))
    np.testing.assert_array_equal(batch.labels, np.full(20, 5))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (oracle.Record(), "no feature tensor"),
        (oracle.dense(np.ones(5, np.float32)), "5 features where others have 4"),
        (oracle.sparse([4], np.ones(1, np.float32), 4), "key 4 lies outside"),
        (oracle.sparse([0, 1], np.ones(1, np.float32), 4), "2 keys for 1 values"),
        (oracle.dense(np.ones(4, np.float32), np.ones(1, np.float32)), "1 labels where others"),
    ],
)
def test_a_record_that_is_no_row_is_named(record, reason):
    good = oracle.dense(np.ones(4, np.float32))
    with pytest.raises(ClientError, match=f"record 1 of train/part-0: .*{reason}"):
        read(oracle.stream(good, record, good))


@given(st.binary(max_size=80), st.integers(0, 60), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_damaged_records_are_read_or_refused_but_never_crash(payload, place, byte):
    good = oracle.dense(np.ones(4, np.float32), np.ones(1, np.float32), uid="u")
    damaged = bytearray(good.SerializeToString())
    damaged[place % len(damaged)] = byte
    for candidate in (payload, bytes(damaged)):
        with contextlib.suppress(ClientError):
            assert decode(oracle.frame(candidate) * 2).batch.rows == 2


def test_uid_and_metadata_are_kept_for_the_response():
    strings = [oracle.Record(uid=f"u{i}", metadata="m" * i) for i in range(3)]
    records = [
        oracle.dense(np.ones(2, np.float32), uid=f"u{i}", metadata="m" * i) for i in range(3)
    ]
    kept = decode(oracle.stream(*records)).passthrough
    assert kept == [each.SerializeToString() for each in strings]
    assert decode(b"").batch.rows == 0


@given(
    row=hnp.arrays(np.float32, st.integers(0, 60), elements=FLOATS),
    dtype=DTYPES,
    uid=st.text(max_size=9),
    labelled=st.booleans(),
)
def test_one_record_without_its_frame_is_read_as_with_it(row, dtype, uid, labelled):
    label = np.ones(1, np.float32) if labelled else None
    payload = oracle.dense(as_dtype(row, dtype), label, uid=uid).SerializeToString()
    bare, framed = decode(payload), decode(oracle.frame(payload))
    np.testing.assert_array_equal(bare.batch.features, framed.batch.features)
    assert bare.passthrough == framed.passthrough


@pytest.mark.parametrize(
    "body",
    [
        b"1,2,3,4,5",
        oracle.Record(uid="no features").SerializeToString(),
        oracle.dense(np.ones(4, np.float32)).SerializeToString()[:-1],
        oracle.dense(np.ones(4, np.float32)).SerializeToString() + b"\xff",
    ],
)
def test_a_body_that_is_neither_framed_nor_a_record_is_refused(body):
    with pytest.raises(ClientError, match=r"record 0 of request: .*magic number"):
        decode(body)
