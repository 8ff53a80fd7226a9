"""Bytes handed to Arrow's readers."""

from typing import Any

import pyarrow as pa


def arrow_stream(text: bytes) -> Any:
    """A copy of the text in Arrow's own memory, as a stream.

    Arrow's threads may let go of a stream a moment after its reader has returned. For bytes of
    Python's they need the interpreter's lock then; if the interpreter has begun to end, it ends
    the thread in the midst of C++, which aborts the whole process after its work was done.
    """
    buffer = pa.allocate_buffer(len(text))
    memoryview(buffer).cast("B")[:] = text
    return pa.BufferReader(buffer)
