"""Every form SageMaker users write a location in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.engines.objects import InvalidLocation, parse_s3_uri

FORMS = [
    ("s3://bucket/a/b.csv", ("bucket", "a/b.csv")),
    ("s3://bucket", ("bucket", "")),
    ("s3://bucket/", ("bucket", "")),
    ("s3a://bucket/a%20b", ("bucket", "a%20b")),
    ("https://bucket.s3.amazonaws.com/a", ("bucket", "a")),
    ("https://bucket.s3-eu-west-1.amazonaws.com/a/b", ("bucket", "a/b")),
    ("https://my.bucket.s3.eu-west-1.amazonaws.com/a%20b", ("my.bucket", "a b")),
    ("https://bucket.s3.dualstack.us-west-2.amazonaws.com/a", ("bucket", "a")),
    ("https://bucket.s3.cn-north-1.amazonaws.com.cn/a", ("bucket", "a")),
    ("https://s3.us-east-1.amazonaws.com/bucket/a/b", ("bucket", "a/b")),
    ("https://s3-us-west-2.amazonaws.com/bucket", ("bucket", "")),
    ("arn:aws:s3:::bucket/a/b", ("bucket", "a/b")),
    ("arn:aws-cn:s3:::bucket", ("bucket", "")),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_parse_s3_uri(text: str, expected: tuple[str, str]) -> None:
    assert parse_s3_uri(text) == expected


@pytest.mark.parametrize(
    "text", ["", "bucket/key", "s3://", "s3:///key", "https://example.com/a", "arn:aws:iam::1:x"]
)
def test_parse_s3_uri_refuses(text: str) -> None:
    with pytest.raises(InvalidLocation, match="not an S3 location"):
        parse_s3_uri(text)


@given(st.from_regex(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", fullmatch=True), st.text(max_size=40))
def test_parse_s3_uri_keeps_the_key_as_it_is(bucket: str, key: str) -> None:
    assert parse_s3_uri(f"s3://{bucket}/{key}") == (bucket, key)
