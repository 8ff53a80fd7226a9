"""Choosing and loading a kernel's variant."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms import native


@pytest.fixture(autouse=True)
def fresh():
    native.load_kernel.cache_clear()
    native.variants.cache_clear()
    yield
    native.load_kernel.cache_clear()
    native.variants.cache_clear()


@pytest.mark.parametrize(
    ("machine", "features", "expected"),
    [
        ("aarch64", "", ("portable",)),
        ("x86_64", "sse2 avx", ("portable",)),
        ("AMD64", "avx2 fma f16c bmi1 bmi2", ("avx2", "portable")),
        (
            "x86_64",
            "avx2 fma f16c bmi1 bmi2 avx512f avx512bw avx512cd avx512dq avx512vl",
            ("avx512", "avx2", "portable"),
        ),
        ("x86_64", "avx512f avx512bw avx512cd avx512dq avx512vl", ("portable",)),
    ],
)
def test_the_fastest_variant_that_the_processor_runs_comes_first(
    monkeypatch, machine, features, expected
):
    monkeypatch.setattr(native.platform, "machine", lambda: machine)
    monkeypatch.setattr(native, "_processor_features", lambda: frozenset(features.split()))
    assert native.variants() == expected


def test_a_kernel_that_was_not_built_says_how_to_build_it(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(native, "ALGORITHMS", tmp_path)
    with pytest.raises(native.KernelMissingError, match="build_ext --inplace"):
        native.load_kernel("kmeans")


def test_an_array_of_another_type_or_layout_never_reaches_c():
    wanted = native.array_of(np.float32, writable=True)
    wanted.from_param(np.zeros((3, 4), np.float32))
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    swapped = np.zeros(3, np.dtype(np.float32).newbyteorder())
    strided = np.zeros(6, np.float32)[::2]
    others = (np.zeros(3), np.zeros((3, 4), np.float32).T, frozen, swapped, strided)
    for wrong in (*others, [0.0], b"0000", None, 0):
        with pytest.raises(TypeError):
            wanted.from_param(wrong)


def test_c_gets_the_place_of_the_array():
    """Also of one that cannot be written to, has other fields, or has no elements."""
    memory = ctypes.CDLL(None)
    fields = np.dtype([("left", np.int32), ("cut", np.float32)])
    for array in (
        np.arange(12, dtype=np.float32).reshape(3, 4)[1:],
        np.frombuffer(b"01234567", np.float32),
        np.array([(1, 2.0)], fields),
        np.empty((0, 3), np.float32),
    ):
        copy = np.empty_like(array)
        wanted, written = (native.array_of(array.dtype, writable=each) for each in (False, True))
        memory.memcpy.argtypes = [written, wanted, ctypes.c_size_t]
        memory.memcpy(copy, array, array.nbytes)
        np.testing.assert_array_equal(copy, array)
