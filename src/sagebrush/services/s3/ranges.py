"""Byte ranges of a read.

Source: RFC 9110 section 14. S3 answers one range; a header with several, or of another form, is
ignored and the whole object sent.
"""

from __future__ import annotations

import re

from sagebrush.services.s3.faults import fault, invalid_argument

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})")
_COPY_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})")


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (offset, length) to send, or None for the whole object.

    Raises:
        ApiError: InvalidRange when no byte of the object is in the range.
    """
    matched = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if header is None or matched is None or matched.groups() == ("", ""):
        return None
    first, last = matched.groups()
    if first == "":
        length = min(int(last), size)
        if length == 0:
            raise _unsatisfiable(header, size)
        return size - length, length
    offset = int(first)
    if last and int(last) < offset:
        return None
    if offset >= size:
        raise _unsatisfiable(header, size)
    end = min(int(last), size - 1) if last else size - 1
    return offset, end - offset + 1


def copy_range(header: str | None, size: int) -> tuple[int, int]:
    """Return (offset, length) of the source that a part copy takes.

    Raises:
        ApiError: InvalidArgument for a malformed range, InvalidRange for one past the end.
    """
    if header is None:
        return 0, size
    matched = _COPY_RANGE.fullmatch(header)
    if matched is None:
        raise invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first"
            " and last are the zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            header,
        )
    first, last = (int(group) for group in matched.groups())
    if last >= size:
        raise fault("InvalidRange", RangeRequested=header, ActualObjectSize=size)
    if last < first:
        raise invalid_argument(
            f"Range specified is not valid for source object of size: {size}",
            "x-amz-copy-source-range",
            header,
        )
    return first, last - first + 1


def _unsatisfiable(header: str, size: int) -> Exception:
    return fault("InvalidRange", RangeRequested=header, ActualObjectSize=size)
