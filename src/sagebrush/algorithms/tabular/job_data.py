"""A tabular job's rows for training and validation, on one host or shared among several."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular.csv_table import MISSING, CodedColumn, Table, TableReader
from sagebrush.algorithms.tabular.data_files import TRAINING, VALIDATION, find_data
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION, ProblemType
from sagebrush.algorithms.tabular.targets import Classes

VALIDATION_SHARE = 0.2
SPLIT_SEED = 0


@dataclass(frozen=True)
class JobData:
    """The rows a host trains on, those that all hosts validate on, and the classes of all.

    ``categorical`` are indices of features; ``classes`` is None for regression.
    """

    training: Table
    validation: Table
    categorical: tuple[int, ...]
    classes: Classes | None


def read_data(
    context: TrainingContext, problem_type: ProblemType, group: Collective | None = None
) -> JobData:
    """Read the channels; without validation data a fifth of the training rows is drawn for it.

    Several hosts share replicated training rows among them. ClientError for data that cannot be
    read or learned from.
    """
    hosts = group or Collective()
    files = find_data(context.channels)
    whole = problem_type == CLASSIFICATION
    reader = TableReader(files.categorical, whole_labels=whole)
    training = reader.read(files.training)
    negative_label = reader.negative_label
    _require_rows(training, context.channels[TRAINING].name)
    labels = _labels(training)
    if files.validation is None:
        training, validation = split(training)
        split_by = TRAINING
    else:
        columns = training.numbers.shape[1] + 1
        reader = TableReader(files.categorical, whole_labels=whole, columns=columns)
        validation = reader.read(files.validation)
        split_by = VALIDATION if VALIDATION in context.channels else TRAINING
    training, validation = _same_words([training, validation], hosts)
    if _is_replicated(context, TRAINING):
        training = training.take(slice(hosts.rank, None, hosts.size))
    if not _is_replicated(context, split_by):
        validation = _of_all_hosts(validation, hosts)
    _require_rows(training, context.channels[TRAINING].name)
    _require_rows(validation, VALIDATION)
    classes = Classes.among(hosts.concatenate(np.unique(labels))) if whole else None
    if negative_label is not None and classes is not None and classes.labels != (-1, 1):
        raise negative_label
    return JobData(training, validation, files.categorical, classes)


def split(table: Table, seed: int = SPLIT_SEED) -> tuple[Table, Table]:
    """The rows for training and a fifth, drawn at random, for validation; both in file order."""
    drawn = round(table.rows * VALIDATION_SHARE)
    chosen = np.zeros(table.rows, bool)
    chosen[np.random.default_rng(seed).permutation(table.rows)[:drawn]] = True
    return table.take(np.flatnonzero(~chosen)), table.take(np.flatnonzero(chosen))


def _is_replicated(context: TrainingContext, channel: str) -> bool:
    return context.channels[channel].distribution == "FullyReplicated"


def _labels(table: Table) -> NDArray[np.float64]:
    assert table.labels is not None
    return table.labels


def _require_rows(table: Table, channel: str) -> None:
    if not table.rows:
        raise ClientError(f"No data was found in the {channel!r} channel for this instance.")


def _of_all_hosts(table: Table, hosts: Collective) -> Table:
    """The rows of all hosts one after the other, whose words must be the same already."""
    if hosts.size == 1:
        return table
    return Table(
        hosts.concatenate(table.numbers),
        hosts.concatenate(_labels(table)),
        {
            index: CodedColumn(hosts.concatenate(column.codes), column.words)
            for index, column in table.categories.items()
        },
    )


def _same_words(tables: Sequence[Table], hosts: Collective) -> list[Table]:
    """The tables with each categorical column's words the same in all of them on all hosts."""
    columns = sorted(tables[0].categories)
    if not columns:
        return list(tables)
    found = [
        sorted({word for table in tables for word in table.categories[index].words})
        for index in columns
    ]
    words = _union(found, hosts)
    return [
        Table(
            table.numbers,
            table.labels,
            {
                index: recoded(table.categories[index], all_words)
                for index, all_words in zip(columns, words, strict=True)
            },
        )
        for table in tables
    ]


def _union(found: list[list[str]], hosts: Collective) -> list[list[str]]:
    """The words of each column on any host, sorted."""
    if hosts.size == 1:
        return found
    gathered = hosts.gather(np.frombuffer(json.dumps(found).encode(), np.uint8))
    united = None
    if hosts.leads:
        lists = [json.loads(each.tobytes()) for each in gathered]
        sets = [sorted(set().union(*column)) for column in zip(*lists, strict=True)]
        united = np.frombuffer(json.dumps(sets).encode(), np.uint8)
    shared: list[list[str]] = json.loads(hosts.broadcast(united).tobytes())
    return shared


def recoded(column: CodedColumn, words: Sequence[str]) -> CodedColumn:
    """The column with codes in other words; a word that is not among them counts as missing."""
    places = {word: place for place, word in enumerate(words)}
    lookup = np.array([*(places.get(word, MISSING) for word in column.words), MISSING], np.int32)
    return CodedColumn(lookup[column.codes], words)
