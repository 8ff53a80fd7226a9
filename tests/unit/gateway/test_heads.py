"""Which requests are known by their heads, and that none is mistaken for another."""

from __future__ import annotations

import re
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.gateway.heads import Head, HeadPattern, body_behind, parsed_head

CREDENTIAL = "AWS4-HMAC-SHA256 Credential=111122223333/20261121/us-east-1/sagemaker/aws4_request"
LINES = (
    "POST /endpoints/e/invocations HTTP/1.1",
    "Host: 127.0.0.1:4566",
    "Accept-Encoding: identity",
    "Content-Type: text/csv",
    "User-Agent: Boto3/1.44.5 md/Botocore#1.44.5 os/linux#6 lang/python#3.11",
    "X-Amz-Date: 20261121T231809Z",
    f"Authorization: {CREDENTIAL}, SignedHeaders=host;x-amz-date, Signature=71e3",
    "amz-sdk-invocation-id: 6d43470f",
    "amz-sdk-request: attempt=1; max=3",
)


def message(*more: str, body: bytes = b"1,2\n", length: str | None = None, **other: str) -> bytes:
    """Return a request as boto3 writes it; `other` are headers with another line instead."""
    names = {name.replace("_", "-"): line for name, line in other.items()}
    lines = [names.pop(line.partition(":")[0].lower(), line) for line in LINES]
    assert not names
    stated = f"Content-Length: {len(body)}" if length is None else length
    head = "\r\n".join(filter(None, [*lines, *more, stated]))
    return head.encode("latin-1") + b"\r\n\r\n" + body


def body_of(data: bytes) -> bytes | None:
    """Return the body of a request that leads somewhere by its own head."""
    pattern = HeadPattern.of(data)
    if pattern is None or parsed_head(pattern.kept) is None:
        return None
    return body_behind(re.compile(pattern.expression), data)


class Heard:
    """What httptools makes of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.body = b""
        self.headers: dict[str, str] = {}
        self.complete = 0
        httptools.HttpRequestParser(self).feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def test_a_request_as_boto3_writes_it() -> None:
    data = message(body=b"1,2\n")
    assert body_of(data) == b"1,2\n"
    pattern = HeadPattern.of(data)
    assert pattern is not None
    assert parsed_head(pattern.kept) == Head(
        "POST",
        "/endpoints/e/invocations",
        {
            "host": "127.0.0.1:4566",
            "accept-encoding": "identity",
            "content-type": "text/csv",
            "user-agent": "Boto3/1.44.5 md/Botocore#1.44.5 os/linux#6 lang/python#3.11",
            "authorization": CREDENTIAL,
        },
    )


def test_what_is_new_in_each_request_does_not_matter() -> None:
    data = message()
    again = message(
        body=b"something longer",
        x_amz_date="X-Amz-Date: 20271121T231809Z",
        authorization=f"Authorization: {CREDENTIAL}, SignedHeaders=host, Signature=9",
        amz_sdk_invocation_id="amz-sdk-invocation-id: ",
        amz_sdk_request="amz-sdk-request: attempt=3; max=3",
    )
    pattern = HeadPattern.of(data)
    assert pattern is not None
    assert HeadPattern.of(again) == pattern
    assert body_behind(re.compile(pattern.expression), again) == b"something longer"


# What a client may write, and what would end a line or not be text.
PASSING = st.text(st.characters(max_codepoint=255)) | st.text(st.sampled_from("\r\n\t\0 :5aß"))
SOME_BODY = st.binary(max_size=40) | st.sampled_from(
    [b"\r\n\r\n", b"0\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"]
)


@given(
    date=PASSING,
    attempt=PASSING,
    signature=PASSING,
    hashed=PASSING,
    body=SOME_BODY,
    off=st.sampled_from([0, 0, 0, -1, 1, 10]),
    gap=st.sampled_from(["", " ", "  ", "\t", "0", " 0", "+", "-"]),
)
def test_what_is_taken_is_what_a_parser_sees(
    date: str, attempt: str, signature: str, hashed: str, body: bytes, off: int, gap: str
) -> None:
    data = message(
        f"x-amz-content-sha256: {hashed}",
        x_amz_date=f"X-Amz-Date:{date}",
        amz_sdk_request=f"amz-sdk-request: {attempt}",
        authorization=f"Authorization: {CREDENTIAL}, Signature={signature}",
        body=body,
        length=f"Content-Length:{gap}{len(body) + off}",
    )
    model = HeadPattern.of(message("x-amz-content-sha256: 0"))
    own = HeadPattern.of(data)
    assert model is not None
    for pattern in (model, own):
        found = pattern and body_behind(re.compile(pattern.expression), data)
        head = pattern and parsed_head(pattern.kept)
        if found is None or head is None:
            continue
        heard = Heard(data)
        assert (heard.complete, heard.body) == (1, found)
        credential = head.headers.pop("authorization")
        assert heard.headers["authorization"].startswith(credential)
        assert head.headers.items() <= heard.headers.items()


@given(st.binary(max_size=30), st.integers(0, 500))
def test_a_plain_request_with_anything_written_into_it(junk: bytes, at: int) -> None:
    data = message()
    at %= len(data)
    changed = data[:at] + junk + data[at:]
    found = body_of(changed)
    # Whose requests are looked at all begin with their method and place.
    if found is not None and changed.startswith(b"POST /endpoints/"):
        heard = Heard(changed)
        assert (heard.complete, heard.body) == (1, found)


@given(SOME_BODY, st.text(st.sampled_from("az-_:;/ß \t\r\n\0\x7f\x85\xa0"), max_size=8))
def test_a_kept_value_is_what_a_parser_sees(body: bytes, value: str) -> None:
    data = message(content_type=f"Content-Type:{value}", body=body)
    pattern = HeadPattern.of(data)
    found = body_of(data)
    if found is None or pattern is None:
        return
    head = parsed_head(pattern.kept)
    heard = Heard(data)
    assert head is not None
    assert (heard.complete, heard.body) == (1, found)
    assert head.headers["content-type"] == heard.headers["content-type"].strip(" ")


ODD = {
    "two lengths": message("content-length: 4"),
    "two lengths that differ": message("Content-Length: 0"),
    "a positive length": message(length="Content-Length: +4"),
    "a negative length": message(length="Content-Length: -4"),
    "a length with an underscore": message(length="Content-Length: 0_4"),
    "a length with a space inside": message(length="Content-Length: 0 4"),
    "a length with a space behind it": message(length="Content-Length: 4 "),
    "a length behind a tab": message(length="Content-Length:\t4"),
    "a list of lengths": message(length="Content-Length: 4, 4"),
    "a hexadecimal length": message(length="Content-Length: 0x4"),
    "a length of hexadecimal digits": message(body=b"1" * 10, length="Content-Length: a"),
    "a length in other digits": message(length="Content-Length: \xb2"),
    "an endless length": message(length="Content-Length: 00000000000000000004"),
    "an empty length": message(length="Content-Length: "),
    "a space before the colon": message(length="Content-Length : 4"),
    "no length": message(length=""),
    "chunks": message("Transfer-Encoding: chunked"),
    "chunks without a length": message("Transfer-Encoding: chunked", length=""),
    "chunks behind a space": message(" Transfer-Encoding: chunked"),
    "chunks before a space": message("Transfer-Encoding : chunked"),
    "an expectation": message("Expect: 100-continue"),
    "an upgrade": message("Upgrade: h2c"),
    "a word on the connection": message("Connection: close"),
    "a word to the proxy": message("Proxy-Connection: keep-alive"),
    "a compressed body": message("Content-Encoding: gzip"),
    "a folded line": message("X-One: 1", " and more"),
    "a line folded with a tab": message("X-One: 1", "\tand more"),
    "a folded passing line": message("x-amz-content-sha256: 1", " and more"),
    "a bare LF in a passing value": message(x_amz_date="X-Amz-Date: 1\nTransfer-Encoding: chunked"),
    "a bare CR in a passing value": message(x_amz_date="X-Amz-Date: 1\rContent-Length: 9"),
    "a NUL in a passing value": message(x_amz_date="X-Amz-Date: 1\0"),
    "a DEL in a passing value": message(x_amz_date="X-Amz-Date: 1\x7f"),
    "a bare LF in a signature": message(authorization=f"Authorization: {CREDENTIAL}, a\nX: y"),
    "a bare LF in a credential": message(authorization="Authorization: Credential=a\nX: y, b"),
    "a bare LF in a kept value": message(
        content_type="Content-Type: a\nTransfer-Encoding: chunked"
    ),
    "a bare CR in a kept value": message(content_type="Content-Type: a\rb"),
    "a NUL in a kept value": message(content_type="Content-Type: a\0b"),
    "a bare LF in the length": message(length="Content-Length: 4\nX: y"),
    "a body that is too short": message(length="Content-Length: 5"),
    "a body that is too long": message(length="Content-Length: 3"),
    "a second request": message() + message(),
    "half of a second request": message() + b"POST /",
    "half a head": message().partition(b"\r\n\r\n")[0],
    "a head without its last byte": message(body=b"", length="Content-Length: 0")[:-1],
    "lines that end with LF": message().replace(b"\r\n", b"\n"),
    "nothing": b"",
    "an old version": message().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no version": message().replace(b" HTTP/1.1", b""),
    "two spaces behind the method": message().replace(b"POST ", b"POST  "),
    "two spaces before the version": message().replace(b" HTTP/1.1", b"  HTTP/1.1"),
    "a query": message().replace(b"invocations HTTP", b"invocations?a=b HTTP"),
    "a target beyond ASCII": message().replace(b"/e/", b"/\xe9/"),
    "a tab in the target": message().replace(b"/e/", b"/\t/"),
    "a blank line first": b"\r\n" + message(),
    "a kept header twice": message("content-type: text/csv"),
    "a credential twice": message(LINES[6]),
    "no colon": message("X-One"),
    "no name": message(": 1"),
    "a name with a space": message("X One: 1"),
    "a name beyond ASCII": message("X-\xe9: 1"),
    "chunks that are signed": message("x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    "chunks with a trailer": message("X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    "a credential without a comma": message(authorization=f"Authorization: {CREDENTIAL}"),
    "a long head": message("X-One: " + "a" * 9000),
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
def test_what_is_not_plain_is_left_to_the_parser(data: bytes) -> None:
    assert body_of(data) is None


LATER: dict[str, dict[str, Any]] = {
    "another content type": {"content_type": "Content-Type: text/csw"},
    "another case": {"content_type": "content-type: text/csv"},
    "another host": {"host": "Host: 127.0.0.2:4566"},
    "another credential": {"authorization": LINES[6].replace("1111", "2222")},
    "another region": {"authorization": LINES[6].replace("us-east-1", "us-east-2")},
    "a dot that is none": {"user_agent": LINES[4].replace("1.44", "1144")},
    "two lengths": {"amz_sdk_request": "content-length: 4"},
    "chunks": {"amz_sdk_request": "transfer-encoding: chunked"},
    "one header less": {"amz_sdk_request": ""},
    "a bare LF": {"x_amz_date": "X-Amz-Date: 1\nTransfer-Encoding: chunked"},
    "a line more": {"x_amz_date": "X-Amz-Date: 1\r\nTransfer-Encoding: chunked"},
    "a longer credential": {"authorization": LINES[6].replace("aws4_request", "aws4_request2")},
}


@pytest.mark.parametrize("other", LATER.values(), ids=LATER.keys())
def test_a_pattern_fits_no_request_that_leads_elsewhere(other: dict[str, str]) -> None:
    pattern = HeadPattern.of(message())
    assert pattern is not None
    assert body_behind(re.compile(pattern.expression), message(**other)) is None


def test_a_pattern_fits_no_other_endpoint_and_no_other_order() -> None:
    pattern = HeadPattern.of(message())
    assert pattern is not None
    expression = re.compile(pattern.expression)
    assert body_behind(expression, message()) is not None
    assert body_behind(expression, message().replace(b"/e/", b"/f/")) is None
    for first, second in ((1, 2), (5, 7), (3, 5)):
        lines = [line.encode() for line in LINES]
        lines[first], lines[second] = lines[second], lines[first]
        swapped = b"\r\n".join([*lines, b"Content-Length: 4\r\n\r\n1,2\n"])
        assert body_behind(expression, swapped) is None
        assert HeadPattern.of(swapped) != pattern


def test_what_is_before_a_request_is_no_part_of_it() -> None:
    pattern = HeadPattern.of(message())
    assert pattern is not None
    assert body_behind(re.compile(pattern.expression), b"x" + message()) is None


@pytest.mark.parametrize("value", [" STREAMING-UNSIGNED-PAYLOAD-TRAILER", "\tstreaming-x"])
def test_a_body_in_chunks_is_not_that_of_a_pattern_seen_before(value: str) -> None:
    pattern = HeadPattern.of(message("x-amz-content-sha256: 0"))
    assert pattern is not None
    expression = re.compile(pattern.expression)
    assert body_behind(expression, message("x-amz-content-sha256: UNSIGNED-PAYLOAD")) is not None
    assert body_behind(expression, message(f"x-amz-content-sha256:{value}")) is None
