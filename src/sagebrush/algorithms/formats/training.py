"""Training data of any content type as batches of rows."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.channels import ChannelReader, DataStream
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch, rebatch
from sagebrush.algorithms.formats.csv import read_csv_blocks
from sagebrush.algorithms.formats.media_type import MediaType
from sagebrush.algorithms.formats.recordio_protobuf import read_blocks
from sagebrush.algorithms.formats.row_flaws import RowFlaw, feature_flaw

RECORDIO_PROTOBUF = "application/x-recordio-protobuf"
CSV = "text/csv"


def training_batches(
    reader: ChannelReader,
    batch_rows: int,
    *,
    default_content_type: str = RECORDIO_PROTOBUF,
    feature_dim: int | None = None,
    default_label_size: int = 1,
    find_flaw: Callable[[Batch], RowFlaw | None] = feature_flaw,
) -> Iterator[Batch]:
    """One pass over a channel in batches of exactly ``batch_rows`` rows, the last one shorter.

    Call it once per epoch with the same reader. CSV rows begin with their labels: as many as the
    content type's ``label_size`` says, else ``default_label_size``, corrected by ``feature_dim``
    when the row's width shows that it has none or one. Labels are None when the data has none.
    ``find_flaw`` says which rows cannot be learned from. Memory use is bounded by the batch, not by
    the data. ClientError names file and row of bad data and of a row with a flaw, and the file
    whose rows are not ``feature_dim`` wide.
    """
    media = MediaType.parse(reader.config.content_type or default_content_type)
    if media.name not in (RECORDIO_PROTOBUF, CSV):
        raise ClientError(
            f"No iterator has been registered for ContentType {(media.name, '1.0')!r}"
        )
    blocks = _blocks(reader, media, feature_dim, default_label_size)
    return rebatch(_without_flaw(blocks, find_flaw), batch_rows)


def _blocks(
    reader: ChannelReader, media: MediaType, feature_dim: int | None, default_label_size: int
) -> Iterator[tuple[str, Batch]]:
    width = feature_dim
    labelled: bool | None = None
    for stream in reader.streams():
        rows = _stream_blocks(stream, media, feature_dim, default_label_size)
        for block in _named_after_channel(rows, reader.config.name, media.name):
            width = width or block.features.shape[1]
            labelled = block.labels is not None if labelled is None else labelled
            _require_alike(block, stream.name, width, labelled)
            yield stream.name, block


def _without_flaw(
    blocks: Iterator[tuple[str, Batch]], find_flaw: Callable[[Batch], RowFlaw | None]
) -> Iterator[Batch]:
    current, rows = "", 0
    for name, block in blocks:
        rows = rows if name == current else 0
        current = name
        flaw = find_flaw(block)
        if flaw is not None:
            raise ClientError(f"Example {rows + flaw.row + 1} of {name} {flaw.text}")
        rows += block.rows
        yield block


def _named_after_channel(
    blocks: Iterator[Batch], channel: str, content_type: str
) -> Iterator[Batch]:
    """The blocks; a ClientError among them in the first-party images' words about a channel."""
    try:
        yield from blocks
    except ClientError as error:
        raise ClientError(
            f"Unable to read data channel {channel!r}. Requested content-type is "
            f"{content_type!r}. Please verify the data matches the requested content-type. "
            f"(caused by ValueError)\n\nCaused by: {error}"
        ) from error


def _stream_blocks(
    stream: DataStream, media: MediaType, feature_dim: int | None, default_label_size: int
) -> Iterator[Batch]:
    with stream.open() as data:
        if media.name == RECORDIO_PROTOBUF:
            yield from read_blocks(data, stream.name)
            return
        for rows in read_csv_blocks(data, stream.name):
            yield _split(rows, _label_size(media, rows, feature_dim, default_label_size))


def _label_size(
    media: MediaType, rows: NDArray[np.float32], feature_dim: int | None, default: int
) -> int:
    """The number of label columns; an unsaid one is seen from the width."""
    stated = media.parameters.get("label_size")
    if stated is not None:
        if not stated.isdigit() or int(stated) >= rows.shape[1]:
            raise ClientError(f"The label_size {stated!r} does not fit {rows.shape[1]} columns.")
        return int(stated)
    surplus = rows.shape[1] - feature_dim if feature_dim else default
    return surplus if surplus in (0, 1) else default


def _split(rows: NDArray[np.float32], label_size: int) -> Batch:
    if label_size == 0:
        return Batch(rows)
    labels = rows[:, 0] if label_size == 1 else rows[:, :label_size]
    return Batch(np.ascontiguousarray(rows[:, label_size:]), np.ascontiguousarray(labels))


def _require_alike(block: Batch, name: str, width: int, labelled: bool) -> None:
    found = block.features.shape[1]
    if found != width:
        raise ClientError(
            f"Unable to read {name}: its rows have {found} features, expected {width}."
        )
    if (block.labels is not None) != labelled:
        raise ClientError(f"Unable to read {name}: some rows have labels and some have none.")
