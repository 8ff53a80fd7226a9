"""CSV of numbers: values as Python reads them, faults named by file and row."""

import io
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats import csv
from sagebrush.algorithms.formats.csv import parse_csv, read_csv_blocks

NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e3, 1e3).map(lambda value: f"{value:.3e}"),
    st.sampled_from([" 1.5 ", '"2.5"', "+3", "-.5", "1e3", "inf", "nan"]),
)


def rows_of(text: str | bytes, **options) -> np.ndarray:
    data = text.encode() if isinstance(text, str) else text
    return np.concatenate(list(read_csv_blocks(io.BytesIO(data), "train/a.csv", **options)))


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(NUMBERS, min_size=width, max_size=width), min_size=1, max_size=20
        )
    ),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_numbers_are_read_as_python_reads_them(rows, newline, ends_with_newline):
    text = newline.join(",".join(row) for row in rows) + (newline if ends_with_newline else "")
    expected = np.array([[float(cell.strip('" ')) for cell in row] for row in rows], np.float32)
    found = rows_of(text)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(parse_csv(text.encode(), "x"), expected, rtol=1e-6)


def test_text_longer_than_a_block_is_read_whole():
    expected = np.arange(1_000_000, dtype=np.float32).reshape(-1, 4)
    text = "\n".join(",".join(map(str, row)) for row in expected.astype(int).tolist())
    blocks = list(read_csv_blocks(io.BytesIO(text.encode()), "x"))
    assert len(blocks) > 1
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,2\n3,x\n", "row 2 of train/a.csv: column 2 holds 'x', which is not a number"),
        ("1,2\n3\n", "row 2 of train/a.csv: it has 1 columns, expected 2"),
        ("1,2\n3,4,5\n", "row 2 of train/a.csv: it has 3 columns, expected 2"),
        ("1,2\n\n3,\n", "row 3 of train/a.csv: column 2 is empty"),
        ("a,b\n1,2\n", "row 1 of .*: column 1 holds 'a'.*must not have a header row"),
        ("1,2\n1_0,2\n", "row 2 of .*: column 1 holds '1_0'"),
        ("1,2\n\xff\xfe,2\n", "row 2 of .*: column 1 holds"),
    ],
)
def test_a_bad_row_is_named(text, reason):
    with pytest.raises(ClientError, match=reason):
        rows_of(text)


def test_a_bad_row_behind_many_blocks_is_named():
    text = "1,2,3\n" * 1_500_000 + "1,2,oops\n" + "1,2,3\n" * 10
    with pytest.raises(ClientError, match=r"row 1500001 of train/a.csv: column 3 holds 'oops'"):
        rows_of(text)


def test_empty_cells_are_missing_values_where_allowed():
    found = rows_of("1,,3\n,5,\n", missing_allowed=True)
    np.testing.assert_array_equal(found, [[1, np.nan, 3], [np.nan, 5, np.nan]])


def test_the_delimiter_may_be_found_in_the_first_line():
    np.testing.assert_array_equal(
        rows_of("1;2\n3;4\n", delimiter=lambda line: line[1]), [[1, 2], [3, 4]]
    )


def test_a_byte_order_mark_is_no_number():
    np.testing.assert_array_equal(rows_of(b"\xef\xbb\xbf1,2\n3,4"), [[1, 2], [3, 4]])


@pytest.mark.parametrize("text", ["", "\n", "\r\n\n"])
def test_an_empty_text_has_no_rows(text):
    assert parse_csv(text.encode(), "x").shape == (0, 0)
    assert sum(len(rows) for rows in read_csv_blocks(io.BytesIO(text.encode()), "x")) == 0


def test_no_more_threads_are_used_than_the_job_has(monkeypatch):
    monkeypatch.setenv("SM_NUM_CPUS", "1")
    rows_of("1,2\n")
    assert pa.cpu_count() == 1
    monkeypatch.setenv("SM_NUM_CPUS", "3")
    rows_of("1,2\n")
    assert pa.cpu_count() == 3


CELLS = st.one_of(
    NUMBERS,
    st.floats().map(repr),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["-0", "-0.0", "-0e5", "1e-05", "1e400", "-1e39", "1" * 400, "9" * 30]),
    st.sampled_from(
        ["1_0", "0x1", "01", "1.", "-", "", " ", "\t2", '"3"', "1\r", "1 2", "nan", "x"]
    ),
    st.sampled_from(["true", "null", "[1]", "1]", "[1", "\ufeff1", "\u0967", "1;2"]),
)


def outcome(body: bytes) -> tuple:
    try:
        with np.errstate(over="ignore"):
            rows = parse_csv(body, "the request")
    except ClientError as error:
        return ("refused", str(error))
    return rows.shape, rows.dtype, rows.tobytes()


@example([["true", "2"]], "\n", "")
@example([['"1"', "2"]], "\n", "")
@example([["null", "2"]], "\n", "")
@example([["1]", "[2"]], "\n", "")
@given(
    st.lists(st.lists(CELLS, max_size=4), max_size=3) | st.lists(st.lists(NUMBERS, max_size=4)),
    st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
    st.sampled_from(["", "\n", "\r\n", "\n\n", ",", " ", "\n "]),
)
@settings(max_examples=600, deadline=None)
def test_plain_text_is_read_as_any_other(rows, newline, end):
    body = (newline.join(",".join(row) for row in rows) + end).encode()
    with mock.patch.object(csv, "_parse_plain", return_value=None):
        expected = outcome(body)
    assert outcome(body) == expected


@pytest.mark.parametrize("body", [b"1,-2.5e3", b"1,-2.5e3\n", b"1, -2.5e3\r\n", b"-0.5,1e-05\n2,3"])
def test_plain_text_takes_the_fast_way(body):
    assert csv._parse_plain(body) is not None


def test_a_few_wide_rows_do_not_pay_for_a_column_each(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(8, 3000)).astype(np.float32)
    body = "\n".join(",".join(f"{value:.9g}" for value in row) for row in rows).encode()
    assert len(body) > csv.SMALL_BODY_BYTES
    expected = rows_of(body)
    monkeypatch.setattr(csv._BlockParser, "parse", mock.Mock(side_effect=AssertionError("Arrow")))
    parsed = parse_csv(body, "the request")
    np.testing.assert_array_equal(parsed, rows)
    np.testing.assert_array_equal(parsed, expected)


def test_wide_text_that_is_not_plain_is_read_all_the_same():
    numbers = ",".join(["0.25"] * 9000)
    assert len(numbers) > csv.SMALL_BODY_BYTES
    assert parse_csv(f'{numbers},"1"\n'.encode(), "x")[0, -2:].tolist() == [0.25, 1]
    with pytest.raises(ClientError, match="row 2 of x: it has 9001 columns, expected 9000"):
        parse_csv(f"{numbers}\n{numbers},1\n".encode(), "x")


def test_a_quoted_line_may_end_with_a_carriage_return_alone():
    assert parse_csv(b'"1",2\r"3",4\n', "x").tolist() == [[1, 2], [3, 4]]
