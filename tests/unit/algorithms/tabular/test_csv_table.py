"""Reading CSV with categorical columns; the oracle of numbers is Python's own float."""

import io
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.channels import DataStream
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular import csv_table
from sagebrush.algorithms.tabular.csv_table import MISSING, TableReader
from sagebrush.algorithms.tabular.table_blocks import parse_block


def read(*texts: str, categorical: tuple[int, ...] = (), **options):
    streams = [
        DataStream(f"train/{i}", lambda text=text: nullcontext(io.BytesIO(text.encode())))
        for i, text in enumerate(texts)
    ]
    return TableReader(categorical, **options).read(streams)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 64)
    monkeypatch.setattr(csv_table, "BYTES_PER_COLUMN", 0)


def words(table, index: int) -> list[str | None]:
    column = table.categories[index]
    return [None if code == MISSING else column.words[code] for code in column.codes]


def test_files_are_joined_and_the_label_comes_first():
    table = read("1,2,3.5\n0,-4,1e3\n", "1,,7")
    np.testing.assert_array_equal(table.labels, [1, 0, 1])
    np.testing.assert_array_equal(table.numbers, [[2, 3.5], [-4, 1000], [np.nan, 7]])


def test_categories_are_words_whatever_their_spelling():
    table = read("1,red,3.0\n0,,4\n", '1,"blue, dark",3\n0,red,x\n', categorical=(0, 1))
    assert words(table, 0) == ["red", None, "blue, dark", "red"]
    assert words(table, 1) == ["3", "4", "3", "x"]
    assert np.isnan(table.numbers).all()


def test_numbers_keep_double_precision():
    assert read("0,16777217\n0,0.1").numbers.tolist() == [[16777217.0], [0.1]]


@given(
    st.lists(
        st.lists(
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=20,
    )
)
def test_numbers_are_read_to_the_last_bit(rows):
    text = "".join(
        "1," + ",".join("" if cell is None else repr(cell) for cell in row) + "\n" for row in rows
    )
    expected = [[np.nan if cell is None else cell for cell in row] for row in rows]
    np.testing.assert_array_equal(read(text).numbers, expected)


@pytest.mark.parametrize("cell", ["NA", "nan", "NaN", "null", "None", "#N/A", ""])
def test_what_pandas_takes_for_missing_is_missing(cell):
    assert np.isnan(read(f"1,{cell},2\n").numbers[0, 0])
    assert words(read(f"1,{cell},2\n1,a,2\n", categorical=(0,)), 0) == [None, "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n1,x\n", r"row 2 of train/0: column 2 holds 'x', which is not a number\."),
        ("y,f\n1,2\n", r"row 1 of train/0: column 1 holds 'y'.*must not have a header row"),
        ("1,2\n\n1,2,3\n", r"row 3 of train/0: it has 3 columns, expected 2"),
        ("1,2\n,2\n", r"row 2 of train/0: its label is missing"),
        ("1,2\n\n1,-inf\n", r"row 3 of train/0: column 2 holds -inf"),
        ("1,2\n1,1e400\n", r"row 2 of train/0: column 2 holds inf"),
        ("1,2\ninf,2\n", r"row 2 of train/0: its label inf is not a finite number"),
        ("1,1_000\n", r"'1_000', which is not a number"),
        ("1\n2\n", r"a label and no features"),
    ],
)
def test_flaws_are_named_with_file_and_row(text, message):
    with pytest.raises(ClientError, match=message):
        read(text)


def test_a_flaw_in_a_later_block_has_its_row(small_blocks):
    with pytest.raises(ClientError, match="row 101 of train/0: it has 1 columns"):
        read("1,2\n" * 100 + "1\n")


def test_class_labels_are_whole_numbers():
    assert read("1.0,2\n-3,2\n", whole_labels=True).labels.tolist() == [1, -3]
    with pytest.raises(ClientError, match=r"row 2 of train/0: its label 0.5 is not a whole number"):
        read("1,2\n0.5,2\n", whole_labels=True)


def test_a_categorical_column_must_exist():
    with pytest.raises(ClientError, match="categorical column 3 does not exist"):
        read("1,2,3\n", categorical=(2,))


@pytest.mark.parametrize("body", [b"1,2\n3,4\n", b"1,2\r\n3,4", b"\xef\xbb\xbf1,2\n\n3,4"])
def test_bodies_without_labels(body):
    table = TableReader(labelled=False).read_body(body, "the request")
    assert table.labels is None
    np.testing.assert_array_equal(table.numbers, [[1, 2], [3, 4]])


def test_rows_can_be_taken():
    table = read("1,a,2\n0,b,3\n1,a,4\n", categorical=(0,)).take(np.array([2, 1]))
    assert (table.labels.tolist(), words(table, 0)) == ([1, 0], ["a", "b"])
    assert table.numbers[:, 1].tolist() == [4, 3]


def test_rows_of_many_blocks_and_files_keep_their_order(small_blocks, monkeypatch):
    monkeypatch.setenv("SM_NUM_CPUS", "3")
    lines = [f"{row},w{row % 7},{row / 3}\n" for row in range(500)]
    table = read("".join(lines[:200]), "\n\n" * 40, "".join(lines[200:]), categorical=(0,))
    assert table.labels.tolist() == list(range(500))
    assert words(table, 0) == [f"w{row % 7}" for row in range(500)]
    assert table.numbers[:, 1].tolist() == [row / 3 for row in range(500)]


def test_the_first_flaw_is_named_however_many_blocks_are_read_at_once(small_blocks, monkeypatch):
    monkeypatch.setenv("SM_NUM_CPUS", "3")
    with pytest.raises(ClientError, match="row 151 of train/1: column 2 holds inf"):
        read("1,2\n" * 90, "1,2\n" * 150 + "1,inf\n" + "1,2\n" * 16 + "1,x\n")


def test_blocks_of_wide_rows_are_larger(monkeypatch):
    monkeypatch.setattr(csv_table, "BLOCK_BYTES", 64)
    monkeypatch.setattr(csv_table, "BYTES_PER_COLUMN", 100)
    monkeypatch.setenv("SM_NUM_CPUS", "1")
    parsed = []

    def parse(text, *rest):
        parsed.append(len(text))
        return parse_block(text, *rest)

    monkeypatch.setattr(csv_table, "parse_block", parse)
    text = "".join(f"{row},0,0,0,0,0,0,0\n" for row in range(10, 99))
    assert read(text).labels.tolist() == list(range(10, 99))
    # The first one tells how wide the rows are.
    first, second, rest = parsed
    assert first <= 64
    assert 800 <= second < 900
    assert first + second + rest == len(text)
