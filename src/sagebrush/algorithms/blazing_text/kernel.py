"""The C functions of this folder, with types that ctypes checks."""

import ctypes
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_uint64,
    c_void_p,
)
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.native import array_of, load_kernel

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Floats = NDArray[np.float32]

STRIDE_FLOATS = 16
"""Rows are padded to whole vectors of the widest machine."""


class FeaturesArguments(Structure):
    """How text becomes rows: see ngrams.c."""

    _fields_ = (
        ("vocabulary", c_void_p),
        ("buckets", c_int64),
        ("min_char", c_int32),
        ("max_char", c_int32),
        ("word_ngrams", c_int32),
    )


class DocumentsArguments(Structure):
    """Where the features and labels of lines are written to: see ngrams.c."""

    _fields_ = (
        ("features", c_void_p),
        ("labels", c_void_p),
        ("feature_ends", c_void_p),
        ("label_ends", c_void_p),
        ("hashes", c_void_p),
        ("feature_room", c_int64),
        ("document_room", c_int64),
    )


class WordVectorsArguments(Structure):
    """A word vector model in training: see word_vectors.c."""

    _fields_ = (
        ("input", c_void_p),
        ("output", c_void_p),
        ("keep", c_void_p),
        ("noise", c_void_p),
        ("row_ends", c_void_p),
        ("rows", c_void_p),
        ("words", c_int64),
        ("stride", c_int64),
        ("mode", c_int32),
        ("window", c_int32),
        ("negatives", c_int32),
        ("batch_size", c_int32),
    )


class ClassifierArguments(Structure):
    """A classifier in training: see classifier.c."""

    _fields_ = (
        ("input", c_void_p),
        ("output", c_void_p),
        ("labels", c_int64),
        ("stride", c_int64),
        ("dim", c_int64),
        ("seed", c_uint64),
    )


class DocumentIdsArguments(Structure):
    """Documents as numbers: see classifier.c."""

    _fields_ = (
        ("features", c_void_p),
        ("labels", c_void_p),
        ("feature_ends", c_void_p),
        ("label_ends", c_void_p),
        ("count", c_int64),
    )


@cache
def kernel() -> ctypes.CDLL:
    """The loaded kernel with the signatures of its functions."""
    library = load_kernel("blazing_text")
    _declare_vocabulary(library)
    _declare_training(library)
    return library


def address(array: NDArray[Any] | None) -> int | None:
    """Where a contiguous array's data begin; keep the array alive while C uses it."""
    if array is None:
        return None
    assert array.flags.c_contiguous
    return int(array.ctypes.data)


def _declare_vocabulary(library: ctypes.CDLL) -> None:
    numbers = array_of(np.int64, writable=True)
    ends = array_of(np.int64)
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "vocabulary_create": (c_void_p, ()),
        "vocabulary_free": (None, (c_void_p,)),
        "vocabulary_count": (c_int64, (c_void_p, c_char_p, c_int64, c_int)),
        "vocabulary_keep": (c_int, (c_void_p, c_int64, c_int)),
        "vocabulary_size": (c_int64, (c_void_p, *(POINTER(c_int64),) * 3)),
        "vocabulary_export": (
            None,
            (c_void_p, array_of(np.uint8, writable=True), numbers, numbers),
        ),
        "vocabulary_import": (
            c_int,
            (c_void_p, c_char_p, ends, ends, c_int64, c_int64, c_int64),
        ),
        "vocabulary_encode": (
            c_int64,
            (c_void_p, c_char_p, c_int64, array_of(np.int32, writable=True), POINTER(c_int64)),
        ),
        "vocabulary_lookup": (None, (c_void_p, c_char_p, ends, c_int64, numbers)),
        "word_rows": (
            c_int64,
            (
                POINTER(FeaturesArguments),
                c_char_p,
                ends,
                c_int64,
                array_of(np.int32, writable=True),
                c_int64,
                numbers,
            ),
        ),
        "read_documents": (
            c_int64,
            (
                POINTER(FeaturesArguments),
                c_char_p,
                c_int64,
                POINTER(DocumentsArguments),
                POINTER(c_int64),
                POINTER(c_int64),
            ),
        ),
    }
    _declare(library, signatures)


def _declare_training(library: ctypes.CDLL) -> None:
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "build_noise": (
            c_int,
            (array_of(np.float64, writable=True), c_int64, array_of(np.uint64, writable=True)),
        ),
        "train_words": (
            c_int64,
            (
                POINTER(WordVectorsArguments),
                array_of(np.int32),
                c_int64,
                c_float,
                c_float,
                c_float,
                c_uint64,
            ),
        ),
        "train_documents": (
            c_int64,
            (
                POINTER(ClassifierArguments),
                POINTER(DocumentIdsArguments),
                c_float,
                c_float,
                c_float,
                c_uint64,
            ),
        ),
        "count_correct": (
            c_int,
            (
                POINTER(ClassifierArguments),
                POINTER(DocumentIdsArguments),
                POINTER(c_int64),
                POINTER(c_int64),
            ),
        ),
        "mean_rows": (
            None,
            (
                c_void_p,
                c_int64,
                array_of(np.int32),
                array_of(np.int64),
                c_int64,
                array_of(np.float32, writable=True),
            ),
        ),
    }
    _declare(library, signatures)


def _declare(library: ctypes.CDLL, signatures: dict[str, tuple[Any, tuple[Any, ...]]]) -> None:
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
