"""The C functions of ``kernel.c``, ``layers.c`` and ``pairs.c`` with their argument types."""

import ctypes
from functools import cache
from typing import Any

import numpy as np

from sagebrush.algorithms.native import array_of, load_kernel

_SIZE = ctypes.c_int64
_WORD = ctypes.c_uint64
_REAL = ctypes.c_float


class Tables(ctypes.Structure):
    """The C structure of what prediction needs of a model: addresses of arrays, and sizes."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("entity_keys", "prefix_keys")),
        *((name, ctypes.c_void_p) for name in ("entity_rows", "prefix_rows")),
        *((name, _WORD) for name in ("entity_mask", "prefix_mask")),
        *((name, ctypes.c_void_p) for name in ("entity_weights", "prefix_weights")),
        *((name, _SIZE) for name in ("entities_used", "entity_limit")),
        ("lengths", ctypes.c_void_p),
        *((name, _SIZE) for name in ("levels", "width")),
    )


@cache
def kernel() -> ctypes.CDLL:
    """The library with typed functions; arrays of another type or layout raise ArgumentError."""
    library = load_kernel("ip_insights")
    for name, arguments in _signatures().items():
        getattr(library, name).argtypes = arguments
    for name, result in _RESULTS.items():
        getattr(library, name).restype = result
    for name in _signatures().keys() - _RESULTS.keys():
        getattr(library, name).restype = None
    return library


_RESULTS: dict[str, Any] = {
    "admit_entities": _SIZE,
    "admit_prefixes": _SIZE,
    "group_rows": _SIZE,
    "hash_entity": ctypes.c_uint32,
    "read_pair": _WORD,
}


def _signatures() -> dict[str, list[Any]]:
    floats, floats_out = array_of(np.float32), array_of(np.float32, writable=True)
    rows, rows_out = array_of(np.int32), array_of(np.int32, writable=True)
    words, words_out = array_of(np.uint64), array_of(np.uint64, writable=True)
    names, names_out = array_of(np.uint32), array_of(np.uint32, writable=True)
    sizes, sizes_out = array_of(np.int64), array_of(np.int64, writable=True)
    totals = array_of(np.float64, writable=True)
    text = array_of(np.uint8)
    span = [_SIZE, _SIZE]
    return {
        "parse_pairs": [text, _SIZE, names_out, names_out, sizes_out],
        "read_pair": [ctypes.c_char_p, _SIZE],
        "hash_entity": [ctypes.c_char_p, _SIZE],
        "embed_pair": [ctypes.POINTER(Tables), _WORD, ctypes.c_void_p],
        "hash_entities": [text, sizes, _SIZE, names_out],
        "rebuild_table": [words, _SIZE, words_out, rows_out, _WORD],
        "find_entities": [names, _SIZE, words, rows, _WORD, *span, rows_out],
        "admit_entities": [names, _SIZE, words_out, rows_out, _WORD, words_out, *span],
        "find_prefixes": [names, *span, rows, _SIZE, words, rows, _WORD, rows_out],
        "admit_prefixes": [
            *(names, _SIZE, rows, _SIZE, sizes_out, sizes),
            *(words_out, rows_out, _WORD, words_out, _SIZE),
        ],
        "initialise_rows": [floats_out, *span, _SIZE, words, _WORD, _REAL],
        "gather_sums": [floats, _SIZE, rows, _SIZE, *span, floats_out],
        "score_addresses": [
            *(floats, rows, floats, _SIZE, _SIZE, _SIZE, _SIZE, rows),
            *(*span, floats_out, floats_out, totals),
        ],
        "group_rows": [rows, _SIZE, _SIZE, rows_out, rows_out, rows_out, rows_out],
        "entity_gradients": [
            *(floats, _SIZE, _SIZE, _SIZE, _SIZE, rows, floats, rows, rows),
            *(*span, floats_out),
        ],
        "sum_members": [floats, _SIZE, rows, rows, *span, floats_out],
        "move_rows": [
            *(floats_out, floats_out, floats_out, _SIZE, rows, floats),
            *(*span, _REAL, _REAL, _REAL, _REAL, _REAL),
        ],
        "column_sums": [floats, _SIZE, *span, totals],
        "normalise_add": [
            *(floats_out, floats, _SIZE, *span, floats, floats, floats, floats, floats_out),
        ],
        "gain_sums": [floats, floats, _SIZE, *span, floats, floats, totals],
        "normalise_back": [
            *(floats, floats_out, _SIZE, *span, floats, floats, floats, floats, floats),
        ],
    }
