"""Thread pools and random state of libraries loaded before a fork.

A preloaded parent loads the scientific libraries with one thread each; a forked worker gives them
its own share of the machine through the libraries' setters, since they read the environment only
once. OpenMP and OpenBLAS are found among the mapped files of the process.

How long threads wait awake is settled before the libraries are loaded: OpenMP reads it but once.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from pathlib import Path

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
BRIEF_WAITS = {"GOMP_SPINCOUNT": "2000"}
"""Threads of GNU's OpenMP sleep after about 80 microseconds. Left alone they spin for milliseconds
at each step: on cores that others need, too, they hold up the very thread they wait for. A job of
100 rounds of XGBoost over 60,000 rows takes 1.3 s on two idle cores either way, and beside two busy
programs 3.5 s instead of 7.5 s; in one run of the plain library it was 2 s instead of 33 s."""
_SETTERS = (
    "omp_set_num_threads",
    "openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "scipy_openblas_set_num_threads64_",
    "MKL_Set_Num_Threads",
)
_LIBRARY_NAMES = ("libgomp", "libomp", "libiomp", "openblas", "libmkl_rt")


@functools.cache
def find_pools() -> list[Callable[[ctypes.c_int], object]]:
    """Return the setters of the loaded pools; called before forks, it makes them faster."""
    libraries = [ctypes.CDLL(path) for path in _loaded_libraries()]
    found = [getattr(library, name, None) for library in libraries for name in _SETTERS]
    return [setter for setter in found if setter is not None]


def set_counts(count: int) -> None:
    """Give every loaded thread pool `count` threads."""
    for set_count in find_pools():
        set_count(ctypes.c_int(count))
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.set_cpu_count(count)


def _loaded_libraries() -> list[str]:
    mapped = Path("/proc/self/maps")
    if not mapped.exists():
        return []
    paths = {line.split(maxsplit=5)[5] for line in mapped.read_text().splitlines() if "/" in line}
    return sorted(path for path in paths if _is_thread_library(Path(path).name))


def _is_thread_library(name: str) -> bool:
    return ".so" in name and any(part in name for part in _LIBRARY_NAMES)


def reseed() -> None:
    """Give this process random numbers of its own: numpy's global state is copied by a fork."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
