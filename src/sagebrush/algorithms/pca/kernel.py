"""The compiled scatter kernel as Python functions."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.native import array_of, load_kernel

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

PANEL_COLUMNS = 16


def panels_of(columns: int) -> int:
    """How many panels of columns the kernel cuts the columns into."""
    return -(-columns // PANEL_COLUMNS)


def new_tiles(columns: int) -> Doubles:
    """Zeros for the tiles of the upper triangle of a (columns, columns) matrix."""
    panels = panels_of(columns)
    return np.zeros(panels * (panels + 1) // 2 * PANEL_COLUMNS**2)


def new_sums(columns: int) -> Doubles:
    """Zeros for the columns' sums, whole panels."""
    return np.zeros(panels_of(columns) * PANEL_COLUMNS)


def new_work(columns: int) -> Floats:
    """Work space for one thread."""
    return np.empty(_kernel().scatter_work_floats(panels_of(columns)), np.float32)


def add_rows(
    rows: Floats | Doubles,
    shift: Floats | Doubles,
    panels: tuple[int, int],
    work: Floats,
    tiles: Doubles,
    sums: Doubles,
) -> None:
    """Add (count, columns) rows, float32 or float64, to the tiles and sums of a range of panels.

    ``shift`` (columns,) has the rows' dtype. The other threads' ranges may be added meanwhile.
    """
    count, columns = rows.shape
    begin, end = panels
    if not 0 <= begin <= end <= panels_of(columns):
        raise ValueError(f"no panels {panels} of {columns} columns")
    expected = new_shapes(columns)
    if shift.shape != (columns,) or (work.size, tiles.size, sums.size) != expected:
        raise ValueError(f"the arrays are not those of {columns} columns")
    add = _kernel().scatter_add_float
    if rows.dtype == np.float64:
        add = _kernel().scatter_add_double
    add(rows, count, columns, shift, begin, end, work, tiles, sums)


def new_shapes(columns: int) -> tuple[int, int, int]:
    """The sizes of work space, tiles and sums."""
    panels = panels_of(columns)
    work = int(_kernel().scatter_work_floats(panels))
    return work, panels * (panels + 1) // 2 * PANEL_COLUMNS**2, panels * PANEL_COLUMNS


def unpacked(tiles: Doubles, columns: int) -> Doubles:
    """The tiles as a symmetric (columns, columns) matrix."""
    matrix = np.empty((columns, columns))
    _kernel().scatter_unpack(tiles, columns, matrix)
    return matrix


@cache
def _kernel() -> ctypes.CDLL:
    library = load_kernel("pca")
    size, doubles = ctypes.c_int64, array_of(np.float64, writable=True)
    work = array_of(np.float32, writable=True)
    library.scatter_work_floats.argtypes = [size]
    library.scatter_work_floats.restype = size
    for name, dtype in (("float", np.float32), ("double", np.float64)):
        values = array_of(dtype)
        add = getattr(library, f"scatter_add_{name}")
        add.argtypes = [values, size, size, values, size, size, work, doubles, doubles]
        add.restype = None
    library.scatter_unpack.argtypes = [array_of(np.float64), size, doubles]
    library.scatter_unpack.restype = None
    return library
