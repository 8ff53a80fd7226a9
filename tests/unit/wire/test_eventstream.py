"""Event stream frames against published vectors and botocore's decoder.

The two hexadecimal vectors are of the test suite that AWS publishes with its C implementation
(awslabs/aws-c-event-stream, tests/: empty_message and payload_no_headers).
"""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.wire import load
from sagebrush.wire.events import EventReader, EventWriter, event_writer
from sagebrush.wire.eventstream import (
    FrameDecoder,
    FrameError,
    Long,
    Milliseconds,
    encode_frame,
)

EMPTY = "000000100000000005c248eb7d98c8ff"
PAYLOAD = "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936"


def _decode(content: bytes, portion: int = 7) -> list:
    decoder = FrameDecoder()
    frames = [
        frame
        for start in range(0, len(content), portion)
        for frame in decoder.feed(content[start : start + portion])
    ]
    decoder.finish()
    return frames


def test_published_vectors():
    assert encode_frame({}, b"").hex() == EMPTY
    assert encode_frame({}, b"{'foo':'bar'}").hex() == PAYLOAD
    frames = _decode(bytes.fromhex(EMPTY + PAYLOAD))
    assert [frame.payload for frame in frames] == [b"", b"{'foo':'bar'}"]


HEADERS = st.dictionaries(
    st.text("abc:-", min_size=1, max_size=9),
    st.booleans()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.integers(-(2**31), 2**31 - 1)
    | st.integers(-(2**63), 2**63 - 1).map(Long)
    | st.integers(0, 2**50).map(Milliseconds),
    max_size=5,
)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=50)), max_size=4), st.integers(1, 60))
def test_frames_survive_any_split_and_botocore_reads_them_alike(messages, portion):
    content = b"".join(encode_frame(headers, payload) for headers, payload in messages)
    frames = _decode(content, portion)
    assert [(frame.headers, frame.payload) for frame in frames] == messages
    buffer = EventStreamBuffer()
    buffer.add_data(content)
    theirs = [(event.headers, event.payload) for event in buffer]
    assert theirs == messages


def test_an_identifier_header_survives():
    identifier = UUID("12345678-1234-5678-1234-567812345678")
    (frame,) = _decode(encode_frame({"id": identifier}, b""))
    assert frame.headers == {"id": identifier}


@given(st.binary(max_size=40), st.integers(0, 28), st.integers(1, 255))
def test_a_changed_bit_is_noticed(payload, position, change):
    content = bytearray(encode_frame({"a": "b"}, payload))
    content[position % len(content)] ^= change
    with pytest.raises(FrameError):
        _decode(bytes(content))


def test_an_incomplete_stream_is_noticed():
    with pytest.raises(FrameError, match="inside a frame"):
        _decode(bytes.fromhex(PAYLOAD)[:-1])


def _streaming_operation():
    return load("sagemaker-runtime").operations["InvokeEndpointWithResponseStream"]


def test_events_of_sync_and_async_sources_become_the_same_frames():
    events = [{"PayloadPart": {"Bytes": b"one"}}, {"PayloadPart": {"Bytes": b"two"}}]
    writer = event_writer(_streaming_operation(), "rest-json")

    async def source():
        for event in events:
            yield event

    async def collect():
        return [frame async for frame in writer.frames(source())]

    frames = list(writer.frames(events))
    assert asyncio.run(collect()) == frames
    decoded = _decode(b"".join(frames))
    assert [frame.payload for frame in decoded] == [b"one", b"two"]
    assert decoded[0].headers[":event-type"] == "PayloadPart"


def test_an_error_ends_the_stream_with_an_exception_frame():
    writer = event_writer(_streaming_operation(), "rest-json")

    def source(code):
        yield {"PayloadPart": {"Bytes": b"one"}}
        raise ApiError(code, "it broke", ErrorCode="ModelStreamBroken")

    modelled = _decode(b"".join(writer.frames(source("ModelStreamError"))))[1]
    assert modelled.headers[":message-type"] == "exception"
    assert modelled.headers[":exception-type"] == "ModelStreamError"
    assert b'"ErrorCode":"ModelStreamBroken"' in modelled.payload
    other = _decode(b"".join(writer.frames(source("Surprise"))))[1]
    assert other.headers == {
        ":message-type": "error",
        ":error-code": "Surprise",
        ":error-message": "it broke",
    }


@pytest.mark.parametrize(
    ("service", "operation", "events"),
    [
        (
            "lexv2-runtime",
            "StartConversation",
            [
                {"TextInputEvent": {"text": "hi", "clientTimestampMillis": 5}},
                {"AudioInputEvent": {"audioChunk": b"\x00\x01", "contentType": "audio/l16"}},
            ],
        ),
        ("bedrock-runtime", "InvokeModelWithBidirectionalStream", [{"chunk": {"bytes": b"x"}}]),
        (
            "connecthealth",
            "StartMedicalScribeListeningSession",
            [{"binaryAudioEvent": {"audioChunk": b"\xff"}}],
        ),
    ],
)
def test_events_that_were_written_are_read_as_the_same_dicts(service, operation, events):
    model = load(service)
    stream_name = model.operations[operation].event_stream_input
    stream = model.operations[operation].input.members[stream_name]
    writer = EventWriter(model, stream, "rest-json")
    reader = EventReader(model, stream, "rest-json")
    frames = _decode(b"".join(writer.frames(events)))
    assert [reader.read(frame) for frame in frames] == events


def test_a_frame_that_is_no_event_is_refused():
    model = load("bedrock-runtime")
    operation = model.operations["InvokeModelWithBidirectionalStream"]
    reader = EventReader(model, operation.input.members["body"], "rest-json")
    for headers, payload in (
        ({}, b""),
        ({":event-type": "nothing"}, b"{}"),
        ({":event-type": "chunk"}, b"{"),
        ({":event-type": "chunk"}, b'{"bytes": 5}'),
    ):
        (frame,) = _decode(encode_frame(headers, payload))
        with pytest.raises(ApiError, match="SerializationException"):
            reader.read(frame)
