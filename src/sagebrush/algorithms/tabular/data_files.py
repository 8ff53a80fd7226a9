"""Where a tabular job's rows lie: two channels, or one with a folder for each part.

Source: the developer guide's pages on LightGBM and CatBoost, "Input format for training data,
validation data, and categorical features".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.algorithms.channels import ChannelConfig, ChannelReader, DataStream
from sagebrush.algorithms.errors import ClientError

TRAINING = "training"
VALIDATION = "validation"
TRAINING_FOLDERS = ("train", "training")
INDEX_KEYS = ("cat_index_list", "cat_idx")
MAX_INDEX = 2**31 - 1


@dataclass(frozen=True)
class DataFiles:
    """The CSV files of a job, and its categorical features counted without the label.

    ``validation`` is None where the job gives no validation data.
    """

    training: Sequence[DataStream]
    validation: Sequence[DataStream] | None
    categorical: tuple[int, ...]


def find_data(channels: Mapping[str, ChannelConfig]) -> DataFiles:
    """The files of the channels ``training`` and ``validation``.

    A training channel with a folder ``train`` or ``training`` is laid out with a folder for each
    part. ClientError if there are no data, or a list of categorical columns that cannot be used.
    """
    training = _streams(channels[TRAINING])
    indices = [stream for stream in training if _is_index(stream)]
    rows = [stream for stream in training if not _is_index(stream)]
    root = channels[TRAINING].path
    parts = {name: [each for each in rows if _lies_in(each, root, name)] for name in _FOLDERS}
    own = [each for name in TRAINING_FOLDERS for each in parts[name]]
    validation: Sequence[DataStream] | None = None
    if VALIDATION in channels:
        validation = [each for each in _streams(channels[VALIDATION]) if not _is_index(each)]
    elif own and parts[VALIDATION]:
        validation = parts[VALIDATION]
    if own:
        rows = own
    if not rows:
        raise ClientError(f"No data was found in the {channels[TRAINING].name!r} channel.")
    return DataFiles(rows, validation, _categorical(indices))


_FOLDERS = (*TRAINING_FOLDERS, VALIDATION)


def _streams(config: ChannelConfig) -> list[DataStream]:
    return list(ChannelReader(config).streams())


def _is_index(stream: DataStream) -> bool:
    return Path(stream.name).suffix.lower() == ".json"


def _lies_in(stream: DataStream, root: Path, folder: str) -> bool:
    assert stream.path is not None
    return root.is_dir() and stream.path.relative_to(root).parts[:1] == (folder,)


def _categorical(streams: Sequence[DataStream]) -> tuple[int, ...]:
    if not streams:
        return ()
    if len(streams) > 1:
        names = ", ".join(stream.name for stream in streams)
        raise ClientError(f"There may be one categorical index file only, found {names}.")
    stream = streams[0]
    with stream.open() as data:
        try:
            document = json.loads(data.read())
        except ValueError as error:
            raise ClientError(f"{stream.name} is not JSON: {error}.") from error
    return tuple(index - 1 for index in _indices(document, stream.name))


def _indices(document: Any, name: str) -> list[int]:
    """Column numbers of the training file, in which 0 is the label."""
    keys = [key for key in INDEX_KEYS if isinstance(document, dict) and key in document]
    if not keys:
        raise ClientError(f"{name} must hold a JSON object with the key {INDEX_KEYS[0]!r}.")
    found = document[keys[0]]
    if not isinstance(found, list) or not all(type(index) is int for index in found):
        raise ClientError(f"{name}: {keys[0]} must be a list of integers.")
    for index in found:
        if not 0 < index < MAX_INDEX:
            raise ClientError(
                f"{name}: {keys[0]} holds {index}; column numbers are greater than 0, which is "
                f"the label, and less than {MAX_INDEX}."
            )
    if len(set(found)) != len(found):
        raise ClientError(f"{name}: {keys[0]} names a column twice.")
    return sorted(found)
