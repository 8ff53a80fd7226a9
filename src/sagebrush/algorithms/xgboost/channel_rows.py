"""A channel's data as batches of labelled rows, read as often as needed."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.channels import ChannelReader, DataStream
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.csv import read_csv_blocks
from sagebrush.algorithms.formats.libsvm import read_libsvm_blocks
from sagebrush.algorithms.formats.parquet import read_parquet_blocks
from sagebrush.algorithms.formats.parquet_stream import read_parquet_stream_blocks
from sagebrush.algorithms.formats.recordio_protobuf import read_blocks
from sagebrush.algorithms.formats.row_flaws import infinity_flaw
from sagebrush.algorithms.xgboost.vocabulary import CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF

DEEPEST_FOLDER = 3
_SNIFFED_CHARACTERS = 512
_DELIMITERS = ",\t;| :"
_CACHE_MARKS = ("dtrain", "dval")


class ShallowReader(ChannelReader):
    """A channel's files down to the third folder level, as the images read them."""

    def files(self) -> list[Path]:
        """The data files in key order; empty if there are none."""
        root = self.config.path
        if not root.exists():
            return []
        try:
            found = super().files()
        except ClientError:
            return []
        if root.is_file():
            return found
        return [path for path in found if _is_near(path, root) and not _is_cache(path.name)]

    def ignored_files(self) -> list[Path]:
        """The files that lie too deep."""
        root = self.config.path
        if self.is_pipe or not root.is_dir():
            return []
        return [path for path in root.rglob("*") if path.is_file() and not _is_near(path, root)]


def _is_near(path: Path, root: Path) -> bool:
    return len(path.relative_to(root).parts) <= DEEPEST_FOLDER


def _is_cache(name: str) -> bool:
    return ".cache" in name and any(mark in name for mark in _CACHE_MARKS)


@dataclass
class ChannelRows:
    """The rows of a channel in one of the four formats.

    ``weighted_csv`` says that the second CSV column holds instance weights.
    """

    reader: ShallowReader
    format: str
    weighted_csv: bool = False

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.reader.config.name

    def require_readable_mode(self) -> None:
        """ClientError for a pipe of libsvm, which the hosted images refuse, too."""
        if self.reader.is_pipe and self.format == LIBSVM:
            raise ClientError(
                f"Pipe mode is not supported for {self.format}. Use File or FastFile mode instead."
            )

    def batches(self) -> Iterator[Batch]:
        """One pass over the data: labelled rows, some megabytes each.

        ClientError names file and row of bad data, infinite values among it, the file whose width
        differs, and the file whose rows have no labels.
        """
        width: int | None = None
        for stream in self.reader.streams():
            rows = 0
            for batch in self._stream_batches(stream):
                _require_labels(batch, stream.name, rows)
                _require_finite(batch, stream.name, rows)
                found = batch.features.shape[1]
                if self.format != LIBSVM and width not in (None, found):
                    raise ClientError(
                        f"Unable to read {stream.name}: its rows have {found} features, "
                        f"expected {width}."
                    )
                width = found
                rows += batch.rows
                yield batch

    def _stream_batches(self, stream: DataStream) -> Iterator[Batch]:
        if self.format == PARQUET:
            for block in _parquet_blocks(stream):
                yield _split(block, 1, stream.name)
            return
        with stream.open() as data:
            if self.format == CSV:
                labels = 2 if self.weighted_csv else 1
                blocks = read_csv_blocks(
                    data,
                    stream.name,
                    delimiter=partial(_delimiter, stream.name),
                    missing_allowed=True,
                )
                for block in blocks:
                    yield _split(block, labels, stream.name)
            elif self.format == LIBSVM:
                yield from read_libsvm_blocks(data, stream.name)
            elif self.format == RECORDIO_PROTOBUF:
                yield from read_blocks(data, stream.name)
            else:
                raise AssertionError(self.format)


def _parquet_blocks(stream: DataStream) -> Iterator[NDArray[np.float32]]:
    if stream.path is not None:
        yield from read_parquet_blocks(stream.path, stream.name)
        return
    with stream.open() as data:
        yield from read_parquet_stream_blocks(data, stream.name)


def _delimiter(name: str, first_line: str) -> str:
    try:
        return sniff_delimiter(first_line)
    except ClientError as error:
        raise ClientError(f"Unable to read row 1 of {name}: {error}") from error


def sniff_delimiter(line: str) -> str:
    """The delimiter of a CSV line; ClientError if none can be told."""
    try:
        delimiter = csv.Sniffer().sniff(line[:_SNIFFED_CHARACTERS], _DELIMITERS).delimiter
    except csv.Error as error:
        delimiter = next((mark for mark in _DELIMITERS if mark in line), "")
        if not delimiter:
            raise ClientError(
                f"Could not determine delimiter on line {line[:50]}:\n{error}"
            ) from error
    return delimiter


def _split(rows: NDArray[np.float32], leading: int, name: str) -> Batch:
    """Label (and weight) columns come first."""
    if rows.shape[1] <= leading:
        raise ClientError(
            f"Unable to read {name}: {rows.shape[1]} columns leave no feature after the label"
            f"{' and the weight' if leading > 1 else ''}."
        )
    weights = np.ascontiguousarray(rows[:, 1]) if leading > 1 else None
    features = np.ascontiguousarray(rows[:, leading:])
    return Batch(features, np.ascontiguousarray(rows[:, 0]), weights)


def _require_labels(batch: Batch, name: str, rows_before: int) -> None:
    if batch.labels is None:
        raise ClientError(
            f"Got input data without labels. Please check the input data set: {name}."
        )
    if batch.labels.ndim > 1:
        raise ClientError(f"Unable to read {name}: its rows have more than one label.")
    bad = np.flatnonzero(~np.isfinite(batch.labels))
    if len(bad):
        raise ClientError(
            f"Unable to read row {rows_before + int(bad[0]) + 1} of {name}: "
            f"its label is {batch.labels[bad[0]]}."
        )


def _require_finite(batch: Batch, name: str, rows_before: int) -> None:
    flaw = infinity_flaw(batch)
    if flaw is not None:
        raise ClientError(
            f"Unable to read {name}: its row {rows_before + flaw.row + 1} {flaw.text}"
        )
