"""Lines of numbers as Python reads them, and models that are no forests."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sagebrush.algorithms.xgboost.forest import Tree, flatten
from sagebrush.algorithms.xgboost.kernel import read_line, sigmoid

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(str),
    st.decimals(-(10**6), 10**6, places=4).map(str),
    st.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


def as_python_reads(line: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.array([[float(cell) if cell else np.nan for cell in line.split(",")]], "f4")


@settings(max_examples=500)
@given(st.lists(st.one_of(NUMBERS, st.just("")), min_size=1, max_size=6))
@example(["9007199254740993"])
@example(["1e22", "1e-22", "1e23", "123456789012345678901"])
@example(["3.4028236e38", "1e-46", "-0", ".5", "5.", "0.1", "16777217"])
# Next to the middle between two numbers of single precision: read roughly they fall to the other.
@example(["1052488744258880451e-18", "1030222475528717121e-18"])
@example(["1052488744258880451e-18"])
@example(["", "", ""])
def test_a_line_is_read_as_python_reads_it_or_not_at_all(cells):
    line = ",".join(cells)
    found = read_line(line.encode(), 6)
    if found is not None:
        expected = as_python_reads(line)
        assert found.dtype == np.float32
        assert found.tobytes() == expected.tobytes() or np.array_equal(
            found, expected, equal_nan=True
        )
        assert np.isfinite(found).sum() == sum(cell != "" for cell in cells)


@pytest.mark.parametrize(
    "number", ["0.12573", "-132.105", "1e-05", "+7", "-0.0", "123456789012345"]
)
def test_ordinary_numbers_are_read(number):
    assert read_line(number.encode(), 1) == as_python_reads(number)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "",
            " 1",
            "1 ",
            "1\n",
            "1\r\n2",
            "1;2",
            "1\t2",
            "1_0",
            "0x10",
            "nan",
            "inf",
            "-",
            "+",
            ".",
        ),
        *("1e", "1e+", "1..2", "--1", "1e400", "1e39", '"1"', "1,2,3,4", "1,a", "\u0661"),
    ],
)
def test_anything_else_is_left_to_others(line):
    assert read_line(line.encode(), 3) is None


@settings(max_examples=200)
@given(st.binary(max_size=40))
def test_no_bytes_are_taken_for_more_than_they_are(data):
    found = read_line(data, 8)
    assert found is None or found.shape == (1, data.count(b",") + 1)


def test_probabilities_keep_their_shape_and_the_margins_stay():
    margins = np.array([[0.0, 200.0], [-200.0, np.nan]], np.float32)
    found = sigmoid(margins)
    np.testing.assert_array_equal(found[0], [0.5, 1.0])
    assert 0 < found[1, 0] < 1e-38
    assert np.isnan(found[1, 1])
    assert margins[0, 1] == 200


STUMP = Tree(
    left=np.array([1, -1, -1]),
    right=np.array([2, -1, -1]),
    columns=np.array([1, 0, 0]),
    values=np.array([0.5, -1, 1], np.float32),
    default_left=np.array([True, False, False]),
)
ZERO = np.zeros(1, np.float32)


def test_a_stump_sends_rows_where_it_says():
    forest = flatten([STUMP], ZERO, 2)
    rows = np.array([[9, 0.4], [9, 0.5], [9, np.nan]], np.float32)
    np.testing.assert_array_equal(forest.margins(rows), [[-1], [1], [-1]])


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (replace(STUMP, columns=np.array([2, 0, 0])), "a column"),
        (replace(STUMP, columns=np.array([-1, 0, 0])), "a column"),
        (replace(STUMP, left=np.array([0, -1, -1])), "below itself"),
        (replace(STUMP, output=1), "an output"),
    ],
)
def test_a_damaged_tree_is_no_forest(tree, reason):
    with pytest.raises(ValueError, match=reason):
        flatten([tree], ZERO, 2)


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match="2 columns"):
        flatten([STUMP], ZERO, 2).margins(np.zeros((1, 1), np.float32))
