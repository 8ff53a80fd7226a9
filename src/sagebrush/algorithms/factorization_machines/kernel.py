"""The C functions of `kernel.c` and the structures they take."""

import ctypes
from functools import cache

import numpy as np

from sagebrush.algorithms.native import array_of, load_kernel

SEGMENT_ROWS = 1 << 14
LINE_FLOATS = 16
STATISTICS = 6


class Model(ctypes.Structure):
    """Parameters and settings of a model, as `kernel.c` has them."""

    _fields_ = (
        ("factors", ctypes.c_int64),
        ("segments", ctypes.c_void_p),
        ("bias", ctypes.c_double),
        ("bias_mean", ctypes.c_double),
        ("bias_square", ctypes.c_double),
        ("steps", ctypes.c_int64),
        ("rate", ctypes.c_double * 3),
        ("decay", ctypes.c_double * 3),
        ("beta_1", ctypes.c_double),
        ("beta_2", ctypes.c_double),
        ("epsilon", ctypes.c_double),
        ("clip", ctypes.c_double),
        ("rescale", ctypes.c_double),
        ("is_logistic", ctypes.c_int32),
        ("use_bias", ctypes.c_int32),
        ("use_linear", ctypes.c_int32),
        ("has_rescale", ctypes.c_int32),
    )


class Work(ctypes.Structure):
    """Examples and scratch space of one call, shared by its threads."""

    _fields_ = (
        ("ends", ctypes.c_void_p),
        ("slots", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("order", ctypes.c_void_p),
        ("sums", ctypes.c_void_p),
        ("by_score", ctypes.c_void_p),
        ("losses", ctypes.c_void_p),
        ("scores", ctypes.c_void_p),
        ("statistics", ctypes.c_void_p),
        ("arrived", ctypes.c_int),
        ("round", ctypes.c_int),
    )


@cache
def kernel() -> ctypes.CDLL:
    """The library with its functions' types declared."""
    library = load_kernel("factorization_machines")
    model, work = ctypes.POINTER(Model), ctypes.POINTER(Work)
    size, index = ctypes.c_int64, ctypes.c_int32
    floats, slots = array_of(np.float32), array_of(np.int32)
    out_floats = array_of(np.float32, writable=True)
    out_slots = array_of(np.int32, writable=True)
    library.train_batches.argtypes = [
        model, work, size, size, index, index, out_slots, out_floats,
    ]  # fmt: skip
    library.train_batches.restype = None
    library.collect_gradient.argtypes = [model, work, size, out_slots, out_floats]
    library.collect_gradient.restype = size
    library.apply_gradient.argtypes = [model, slots, size, floats, ctypes.c_double, size]
    library.apply_gradient.restype = None
    library.assign_slots.argtypes = [slots, size, out_slots, out_slots, size, out_slots]
    library.assign_slots.restype = size
    library.start_rows.argtypes = [
        model, slots, size, size, ctypes.c_uint64, slots, array_of(np.float64),
    ]  # fmt: skip
    library.start_rows.restype = None
    library.predict_scores.argtypes = [
        floats, floats, ctypes.c_double, size, array_of(np.int64), slots, floats, size, out_floats,
        out_floats,
    ]  # fmt: skip
    library.predict_scores.restype = None
    return library
