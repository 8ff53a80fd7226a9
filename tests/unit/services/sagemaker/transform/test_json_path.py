"""The JSONPath subset of DataProcessing, as the developer guide's page on it has it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.services.sagemaker.transform.json_path import (
    PathMismatchError,
    PathSyntaxError,
    parse_path,
)

DOCUMENT = {
    "id": 7,
    "features": [1, 2, 3, 4],
    "inner": {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}},
    "account_id": "k",
    "with space": 0,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DOCUMENT),
        (" $ ", DOCUMENT),
        ("$.id", 7),
        ("$['id']", 7),
        ("$.account_id", "k"),
        ("$['with space']", 0),
        ("$.features[0]", 1),
        ("$.features[-1]", 4),
        ("$.features[1,3]", [2, 4]),
        ("$.features[ 1 , -1 ]", [2, 4]),
        ("$.features[1:2]", [2, 3]),
        ("$.features[2:]", [3, 4]),
        ("$.features[:1]", [1, 2]),
        ("$.features[:]", [1, 2, 3, 4]),
        ("$.features[-2:-1]", [3, 4]),
        ("$.features[:-2]", [1, 2, 3]),
        ("$.features[3:9]", [4]),
        ("$.features[*]", [1, 2, 3, 4]),
        ("$['id','features']", {"id": 7, "features": [1, 2, 3, 4]}),
        ("$.inner.*", [{"x": 1, "y": 2}, {"x": 3, "y": 4}]),
        ("$.inner.*.x", [1, 3]),
        ("$.inner['a','b'].y", [2, 4]),
        ("$.inner.['a','b']", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}),
    ],
)
def test_a_path_selects_what_the_guide_says(path: str, expected: Any) -> None:
    assert parse_path(path).select(DOCUMENT) == expected


def test_the_guides_slice_of_columns_has_both_its_ends() -> None:
    row = list("abcdef")
    assert parse_path("$[1:4]").select(row) == ["b", "c", "d", "e"]
    assert parse_path("$[5:]").select(row) == ["f"]
    assert parse_path("$[:5]").select(row) == row


@pytest.mark.parametrize("path", ["$.none", "$.features[4]", "$.features[-5]", "$[0]", "$.id.x"])
def test_what_is_not_there_is_an_error(path: str) -> None:
    with pytest.raises(PathMismatchError):
        parse_path(path).select(DOCUMENT)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", 'starts with "\\$"'),
        ("id", 'starts with "\\$"'),
        ("$.", 'Unexpected "."'),
        ("$..id", 'Unexpected "."'),
        ("$[?(@.id)]", "neither names nor indexes"),
        ("$[0", 'Unexpected "\\["'),
        ("$x", 'Unexpected "x"'),
        ("$[]", "neither"),
        ("$[0:2,246:]", "Format \\[0:2,246:\\] is not supported"),
        ('$["id"]', "neither"),
    ],
)
def test_what_is_no_path_of_the_subset_is_refused(path: str, problem: str) -> None:
    with pytest.raises(PathSyntaxError, match=problem):
        parse_path(path)


@given(
    st.lists(st.integers(), max_size=8),
    st.none() | st.integers(-10, 10),
    st.none() | st.integers(-10, 10),
)
def test_a_slice_holds_its_ends_and_what_lies_between(
    row: list[int], start: int | None, end: int | None
) -> None:
    text = f"$[{'' if start is None else start}:{'' if end is None else end}]"
    first = 0 if start is None else start + len(row) * (start < 0)
    last = len(row) - 1 if end is None else end + len(row) * (end < 0)
    expected = [value for place, value in enumerate(row) if first <= place <= last]
    assert parse_path(text).select(row) == expected


@given(st.text(alphabet="$.[]'*,:-01ab _", max_size=12))
def test_any_text_is_a_path_or_refused_as_none(text: str) -> None:
    try:
        path = parse_path(text)
    except PathSyntaxError:
        return
    try:
        path.select({"a": [1, {"b": 2}], "b": "c"})
    except PathMismatchError:
        return


@given(st.dictionaries(st.text("abc_1", min_size=1, max_size=4), st.integers(), min_size=1))
def test_names_select_an_object_of_those_names(document: dict[str, int]) -> None:
    names = sorted(document)
    quoted = ",".join(f"'{name}'" for name in names)
    found = parse_path(f"$[{quoted}]").select(document)
    assert found == (document if len(names) > 1 else document[names[0]])
