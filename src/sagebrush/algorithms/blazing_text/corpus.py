"""Text as blocks of bytes: a pass over a channel or over strings, at constant memory."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import orjson

from sagebrush.algorithms.blazing_text.vocabulary import LABEL_PREFIX
from sagebrush.algorithms.channels import ChannelReader, DataStream
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.recordio import FramingError, read_records

BLOCK_BYTES = 1 << 17
"""Small enough that a kernel is back within a fraction of a second."""

Corpus = Callable[[], Iterator[bytes]]
"""Begins a pass: blocks of whole lines, each ending with a newline."""

_RECORDIO = bytes.fromhex("0a23d7ce")
_SPACES = (b" ", b"\t", b"\r")


def corpus_of_lines(lines: Iterable[str]) -> Corpus:
    """A corpus of strings, one for each line."""
    kept = [" ".join(line.split("\n")).encode() for line in lines]

    def blocks() -> Iterator[bytes]:
        yield from _joined(iter(kept))

    return blocks


def corpus_of_file(path: Path) -> Corpus:
    """A corpus of a text file, read anew for each pass; its lines stay whole."""

    def blocks() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from _text_blocks(file, documents=True)

    return blocks


def corpus_of_channel(reader: ChannelReader, *, documents: bool) -> Corpus:
    """The text of a channel.

    ``documents`` keeps lines whole and reads labelled JSON Lines or RecordIO too; otherwise lines
    longer than a block are cut between words. The first pass checks that text is UTF-8: ClientError
    names the file and line of what is not.
    """
    checked = False

    def blocks() -> Iterator[bytes]:
        nonlocal checked
        first, checked = not checked, True
        for stream in reader.streams():
            with stream.open() as file:
                yield from _stream_blocks(reader, stream, file, documents=documents, check=first)

    return blocks


def _stream_blocks(
    reader: ChannelReader, stream: DataStream, file: BinaryIO, *, documents: bool, check: bool
) -> Iterator[bytes]:
    content_type = (reader.config.content_type or "").partition(";")[0].strip().lower()
    if not documents:
        if content_type in {"application/jsonlines", "application/x-recordio"}:
            raise ClientError(f"ContentType {content_type!r} is for 'mode' supervised only.")
        return _checked(_text_blocks(file, documents=False), stream.name, check=check)
    # The guide's example of an augmented manifest says it both ways at once.
    if reader.config.record_wrapper == "RecordIO" or content_type == "application/x-recordio":
        return _joined(_labelled_pairs(file, stream.name))
    if content_type == "application/jsonlines":
        return _joined(_labelled_lines(file, stream.name))
    return _checked(_text_blocks(file, documents=True), stream.name, check=check)


def _text_blocks(file: BinaryIO, *, documents: bool) -> Iterator[bytes]:
    rest: list[bytes] = []
    while chunk := file.read(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut == 0 and not documents:
            cut = max(chunk.rfind(space) for space in _SPACES) + 1
        if cut == 0:
            rest.append(chunk)
            continue
        yield b"".join([*rest, chunk[:cut]])
        rest = [chunk[cut:]] if cut < len(chunk) else []
    if rest:
        yield b"".join([*rest, b"\n"])


def _checked(blocks: Iterator[bytes], name: str, *, check: bool) -> Iterator[bytes]:
    line = 1
    for block in blocks:
        if check:
            try:
                block.decode()
            except UnicodeDecodeError as error:
                place = line + block.count(b"\n", 0, error.start)
                hint = ""
                # The magic number begins with a newline.
                if _RECORDIO[1:] in block[: len(_RECORDIO)]:
                    hint = " RecordIO is read where RecordWrapperType says so."
                raise ClientError(
                    f"Unable to read row {place} of {name}: it is not UTF-8 text.{hint}"
                ) from error
            line += block.count(b"\n")
        yield block


def _joined(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Lines in blocks."""
    block, size = [], 0
    for line in lines:
        block.append(line)
        size += len(line) + 1
        if size >= BLOCK_BYTES:
            yield b"\n".join([*block, b""])
            block, size = [], 0
    if block:
        yield b"\n".join([*block, b""])


def _labelled_lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The lines of an augmented manifest that is read as a file."""
    row, rest = 0, b""
    while chunk := file.read(BLOCK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            row += 1
            if line.strip():
                yield _labelled_line(line, f"row {row} of {name}")
    if rest.strip():
        yield _labelled_line(rest, f"row {row + 1} of {name}")


def _labelled_line(line: bytes, place: str) -> bytes:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ClientError(f"Unable to read {place}: {error}.") from error
    if not isinstance(document, dict):
        raise ClientError(f"Unable to read {place}: it is no JSON object.")
    for key in ("source", "label"):
        if key not in document:
            raise ClientError(f"Unable to read {place}: {key!r} is missing.")
    if not isinstance(document["source"], str):
        raise ClientError(f"Unable to read {place}: 'source' must be a string.")
    return _labelled(document["source"].encode(), document["label"], place)


def _labelled_pairs(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The records of an augmented manifest in a pipe: the attributes of each line in turn.

    A container is not told AttributeNames, but labels are numbers and lists where sources are not:
    the first line decides which of the two comes first.
    """
    records = read_records(file)
    label_first: bool | None = None
    row = 0
    try:
        while (pair := [*islice(records, 2)]) != []:
            row += 1
            place = f"row {row} of {name}"
            if len(pair) < 2:
                raise ClientError(f"Unable to read {place}: a source or a label is missing.")
            if label_first is None:
                label_first = isinstance(_parsed_label(pair[0]), int | list)
            label, source = pair if label_first else reversed(pair)
            yield _labelled(source, _parsed_label(label), place)
    except FramingError as error:
        raise ClientError(f"Unable to read record {error.index} of {name}: {error}.") from error


def _parsed_label(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.decode(errors="replace")


def _labelled(source: bytes, label: object, place: str) -> bytes:
    labels = label if isinstance(label, list) else [label]
    words = []
    for each in labels:
        if isinstance(each, bool) or not isinstance(each, int | str):
            raise ClientError(f"Unable to read {place}: 'label' must be whole numbers or strings.")
        word = "_".join(str(each).split())
        words.append(word if word.startswith(LABEL_PREFIX) else LABEL_PREFIX + word)
    return b" ".join([*(word.encode() for word in words), source.replace(b"\n", b" ")])
