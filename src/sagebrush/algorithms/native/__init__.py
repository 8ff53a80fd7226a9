"""Loads an algorithm's compiled kernel: the variant made for this machine's instruction set.

A kernel's C files lie in its algorithm's folder; `setup.py` compiles them. Functions are plain C
over pointers and sizes. ctypes releases the interpreter lock while one runs, so kernels may be
called from several threads at once.
"""

import ctypes
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ALGORITHMS = Path(__file__).parent.parent


class KernelMissingError(ImportError):
    """A kernel's library was not built; the message says how to build it."""


@cache
def load_kernel(algorithm: str) -> ctypes.CDLL:
    """The compiled kernel of the algorithm in the folder of that name, ``random_cut_forest``.

    KernelMissingError if no variant was built.
    """
    folder = ALGORITHMS / algorithm
    for variant in variants():
        path = folder / f"_kernel_{variant}.kernel"
        if path.exists():
            return ctypes.CDLL(str(path))
    raise KernelMissingError(
        f"The kernel of {algorithm} is not built: run `python setup.py build_ext --inplace` in the "
        "source tree, or install the package again."
    )


@cache
def variants() -> tuple[str, ...]:
    """The variants that run on this machine, the fastest first."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return ("portable",)
    features = _processor_features()
    found = ["portable"]
    if {"avx2", "fma", "f16c", "bmi1", "bmi2"} <= features:
        found.insert(0, "avx2")
        if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= features:
            found.insert(0, "avx512")
    return tuple(found)


def _processor_features() -> frozenset[str]:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except FileNotFoundError:
        # Not Linux: what every x86-64 processor has is what may be counted on.
        return frozenset()
    return frozenset()


class _ArrayArgument:
    """Checks an argument as numpy's ndpointer does, in a third of its time."""

    def __init__(self, dtype: Any, *, writable: bool) -> None:
        self._dtype = np.dtype(dtype)
        self._writable = writable

    def from_param(self, array: Any) -> Any:
        """What ctypes passes on; TypeError for what is no such array."""
        if not isinstance(array, np.ndarray):
            raise TypeError(f"expected an array, got {type(array).__name__}")
        if array.dtype != self._dtype:
            raise TypeError(f"expected an array of {self._dtype}, got {array.dtype}")
        flags = array.flags
        if not flags.c_contiguous:
            raise TypeError("expected a C-contiguous array")
        if flags.writeable:
            # Its address is the array's, and it keeps the array alive.
            memory: Any = array
            return _START.from_buffer(memory)
        if self._writable:
            raise TypeError("expected an array that can be written to")
        return array.ctypes


_START = ctypes.c_char * 0


def array_of(dtype: Any, *, writable: bool = False) -> Any:
    """The ctypes argument type of a C-contiguous array of ``dtype``, checked at each call."""
    return _ArrayArgument(dtype, writable=writable)
