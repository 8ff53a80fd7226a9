"""Models in fastText's binary format, versions 11 and 12, without quantisation.

Layout: fasttext.cc, args.cc, dictionary.cc and densematrix.cc of https://fasttext.cc; little
endian, nothing aligned. The matrices of a file are mapped, not read.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sagebrush.algorithms.blazing_text.kernel import Floats
from sagebrush.algorithms.blazing_text.vocabulary import FeatureRules, Vocabulary

MAGIC = 793712314
VERSION = 12
CBOW, SKIPGRAM, SUPERVISED = 1, 2, 3
HIERARCHICAL_SOFTMAX, NEGATIVE_SAMPLING, SOFTMAX, ONE_VERSUS_ALL = 1, 2, 3, 4

_ARGUMENTS = struct.Struct("<12id")
_DICTIONARY = struct.Struct("<3iqq")
_ENTRY_END = struct.Struct("<qb")
_SHAPE = struct.Struct("<qq")
_CHUNK_BYTES = 1 << 20


class ModelFileError(ValueError):
    """A file that is not a model that can be read; the message says why."""


@dataclass(frozen=True)
class Arguments:
    """The settings a file begins with, in its order; ``t`` is the sampling threshold."""

    dim: int
    ws: int
    epoch: int
    min_count: int
    neg: int
    word_ngrams: int
    loss: int
    model: int
    bucket: int
    minn: int
    maxn: int
    lr_update_rate: int
    t: float


@dataclass
class StoredModel:
    """A model as a file holds it.

    ``input`` is (words + buckets, dim) and ``output`` (words or labels, dim), float32; rows may be
    padded, or lie unaligned in a mapped file.
    """

    arguments: Arguments
    vocabulary: Vocabulary
    input: Floats
    output: Floats

    @property
    def rules(self) -> FeatureRules:
        """How the model turns text into rows of ``input``."""
        settings = self.arguments
        return FeatureRules(
            self.vocabulary,
            settings.bucket,
            settings.minn,
            settings.maxn,
            settings.word_ngrams if settings.model == SUPERVISED else 1,
        )


def write_model(path: Path, model: StoredModel) -> None:
    """Write the model; whoever looks sees the old file or the whole new one.

    Rows of zeros become holes of the file.
    """
    temporary = path.with_name(f"{path.name}.unfinished")
    with temporary.open("wb") as file:
        file.write(struct.pack("<ii", MAGIC, VERSION))
        file.write(_ARGUMENTS.pack(*vars(model.arguments).values()))
        _write_dictionary(file, model.vocabulary)
        for matrix in (model.input, model.output):
            file.write(b"\0")
            _write_matrix(file, matrix[:, : model.arguments.dim])
        file.truncate()
    temporary.replace(path)


def _write_dictionary(file: BinaryIO, vocabulary: Vocabulary) -> None:
    texts, counts = vocabulary.entries()
    words, labels = vocabulary.words, vocabulary.labels
    file.write(_DICTIONARY.pack(words + labels, words, labels, vocabulary.tokens, -1))
    file.writelines(
        text + b"\0" + _ENTRY_END.pack(count, place >= words)
        for place, (text, count) in enumerate(zip(texts, counts.tolist(), strict=True))
    )


def _write_matrix(file: BinaryIO, matrix: Floats) -> None:
    rows, columns = matrix.shape
    file.write(_SHAPE.pack(rows, columns))
    step = max(1, _CHUNK_BYTES // (4 * columns))
    for first in range(0, rows, step):
        part = matrix[first : first + step]
        if part.any():
            file.write(np.ascontiguousarray(part).data)
        else:
            file.seek(part.size * 4, os.SEEK_CUR)


def read_model(path: Path) -> StoredModel:
    """The model of a file; its matrices stay mapped. ModelFileError if it is none."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise ModelFileError(f"{path.name} is empty") from error
    try:
        return _read(content)
    except (struct.error, IndexError) as error:
        raise ModelFileError(f"{path.name} is cut off") from error
    except ValueError as error:
        raise ModelFileError(f"{path.name}: {error}") from error


def _read(content: mmap.mmap) -> StoredModel:
    magic, version = struct.unpack_from("<ii", content)
    if magic != MAGIC or version not in (11, VERSION):
        raise ValueError("this is no fastText model of version 11 or 12")
    values: list[Any] = list(_ARGUMENTS.unpack_from(content, 8))
    arguments = Arguments(*values)
    if version < VERSION and arguments.model == SUPERVISED:
        # Older supervised models have no character n-grams, whatever they say.
        arguments = Arguments(**{**vars(arguments), "maxn": 0})
    vocabulary, position = _read_dictionary(content, 8 + _ARGUMENTS.size)
    matrices = []
    for _ in range(2):
        if content[position]:
            raise ValueError("quantised models are not supported")
        matrix, position = _read_matrix(content, position + 1)
        matrices.append(matrix)
    _check(arguments, vocabulary, *matrices)
    return StoredModel(arguments, vocabulary, *matrices)


def _read_dictionary(content: mmap.mmap, position: int) -> tuple[Vocabulary, int]:
    size, words, labels, tokens, pruned = _DICTIONARY.unpack_from(content, position)
    if pruned >= 0:
        raise ValueError("quantised models are not supported")
    if size < 0 or words < 0 or size != words + labels:
        raise ValueError("the numbers of words and labels do not add up")
    position += _DICTIONARY.size
    texts: list[bytes] = []
    counts = np.empty(min(size, len(content)), np.int64)
    for place in range(size):
        end = content.find(b"\0", position)
        if end < 0:
            raise IndexError
        texts.append(content[position:end])
        counts[place], kind = _ENTRY_END.unpack_from(content, end + 1)
        if kind != (place >= words):
            raise ValueError("a label stands among the words")
        position = end + 1 + _ENTRY_END.size
    return Vocabulary.of_entries(texts, counts, words, tokens), position


def _read_matrix(content: mmap.mmap, position: int) -> tuple[Floats, int]:
    rows, columns = _SHAPE.unpack_from(content, position)
    start = position + _SHAPE.size
    end = start + rows * columns * 4
    if rows < 0 or columns <= 0 or end > len(content):
        raise IndexError
    values = np.ndarray((rows, columns), "<f4", content, start)
    return values, end


def _check(arguments: Arguments, vocabulary: Vocabulary, first: Floats, second: Floats) -> None:
    """What the kernels rely on."""
    supervised = arguments.model == SUPERVISED
    outputs = vocabulary.labels if supervised else vocabulary.words
    buckets = arguments.bucket if arguments.maxn > 0 or arguments.word_ngrams > 1 else 0
    if arguments.model not in (CBOW, SKIPGRAM, SUPERVISED):
        raise ValueError(f"there is no model kind {arguments.model}")
    if arguments.bucket < 0 or len(first) < vocabulary.words + buckets or len(second) < outputs:
        raise ValueError("the matrices do not have a row for each word, bucket and label")
    if first.shape[1] != arguments.dim or second.shape[1] != arguments.dim:
        raise ValueError("the matrices do not have the vectors' dimension")
    if supervised and outputs == 0:
        raise ValueError("there are no labels")
