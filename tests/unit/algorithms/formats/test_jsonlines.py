"""JSON Lines."""

import io

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.jsonlines import read_json_lines


def test_documents_come_with_their_line():
    data = io.BytesIO(b'{"a": 1}\n\n[2]\r\n"x"')
    assert list(read_json_lines(data, "f")) == [(1, {"a": 1}), (3, [2]), (4, "x")]


def test_a_line_that_is_no_json_is_named():
    with pytest.raises(ClientError, match=r"row 2 of train/a.jsonl"):
        list(read_json_lines(io.BytesIO(b"1\n{\n2\n"), "train/a.jsonl"))
