"""Parquet files of numeric columns to float32 arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError

ROWS_PER_BLOCK = 1 << 16


def read_parquet_blocks(source: Path | pa.NativeFile, name: str) -> Iterator[NDArray[np.float32]]:
    """The rows of a parquet file as (rows, columns) arrays in column order; nulls become NaN.

    ClientError names ``name`` when it is no parquet file and the column that is not numeric.
    """
    try:
        with pa.parquet.ParquetFile(source) as file:
            _require_numbers(file.schema_arrow, name)
            for batch in file.iter_batches(batch_size=ROWS_PER_BLOCK):
                yield _matrix(batch)
    except (pa.ArrowInvalid, OSError) as error:
        raise ClientError(f"Unable to read {name} as parquet: {error}") from error


def _require_numbers(schema: pa.Schema, name: str) -> None:
    for field in schema:
        kind = field.type
        if not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        ):
            raise ClientError(
                f"Unable to read {name}: column {field.name!r} holds {kind}, not numbers."
            )


def _matrix(batch: pa.RecordBatch) -> NDArray[np.float32]:
    rows = np.empty((batch.num_rows, batch.num_columns), np.float32)
    for index, column in enumerate(batch.columns):
        rows[:, index] = column.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    return rows
