"""Keeps numpy's matrix products on one thread where they are small.

The products of one training step are too small to share: with two threads on two busy cores a
step takes up to ten times as long, because each product waits for both. OpenBLAS reads its
environment only when it is loaded, which is too early for a forked worker, so its own setter is
called.
"""

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_SUFFIXES = ("64_", "")
_PREFIXES = ("scipy_openblas", "openblas")


class _OpenBlas:
    def __init__(self, get: Callable[[], int], set_count: Callable[[int], object]) -> None:
        self.get = get
        self.set = set_count


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """One thread for matrix products inside the block; no effect where numpy has no OpenBLAS."""
    libraries = _loaded_openblas()
    before = [library.get() for library in libraries]
    for library in libraries:
        library.set(1)
    try:
        yield
    finally:
        for library, count in zip(libraries, before, strict=True):
            library.set(count)


@lru_cache(maxsize=1)
def _loaded_openblas() -> list[_OpenBlas]:
    """The OpenBLAS libraries in this process, found by their mapped files (Linux)."""
    if not _MAPS.exists():
        return []
    lines = _MAPS.read_text().splitlines()
    paths = {line.split(maxsplit=5)[-1] for line in lines if "openblas" in line}
    found = (_bind(path) for path in sorted(paths))
    return [library for library in found if library is not None]


def _bind(path: str) -> _OpenBlas | None:
    try:
        library = ctypes.CDLL(path)
    except OSError:
        return None
    for prefix in _PREFIXES:
        for suffix in _SUFFIXES:
            get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            set_count = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            if get is not None and set_count is not None:
                return _OpenBlas(get, set_count)
    return None
