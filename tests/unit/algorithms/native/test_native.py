"""Choosing and loading a kernel's variant."""

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
    for wrong in (np.zeros(3), np.zeros((3, 4), np.float32).T, frozen):
        with pytest.raises(TypeError):
            wanted.from_param(wrong)
