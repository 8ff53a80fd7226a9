"""The scatter kernel; oracle: numpy in double precision."""

import numpy as np
import pytest

from sagebrush.algorithms import native
from sagebrush.algorithms.pca import kernel


@pytest.fixture(params=native.variants(), autouse=True)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Every variant of the kernel that this machine runs."""
    monkeypatch.setattr(native, "variants", lambda: (request.param,))
    native.load_kernel.cache_clear()
    kernel._kernel.cache_clear()
    yield
    native.load_kernel.cache_clear()
    kernel._kernel.cache_clear()


def scattered(rows: np.ndarray, shift: np.ndarray, ranges: list[tuple[int, int]]):
    columns = rows.shape[1]
    tiles, sums = kernel.new_tiles(columns), kernel.new_sums(columns)
    work = kernel.new_work(columns)
    for each in ranges:
        kernel.add_rows(rows, shift, each, work, tiles, sums)
    return kernel.unpacked(tiles, columns), sums[:columns]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 15, 16, 17, 50])
@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 700])
def test_sums_are_those_of_numpy(dtype, columns: int, count: int):
    generator = np.random.default_rng(columns * 1000 + count)
    rows = generator.normal(5, 2, (count, columns)).astype(dtype)
    shift = generator.normal(5, 1, columns).astype(dtype)
    panels = kernel.panels_of(columns)
    matrix, sums = scattered(rows, shift, [(0, panels // 2), (panels // 2, panels)])
    centred = rows.astype(np.float64) - shift
    assert matrix == pytest.approx(centred.T @ centred, rel=1e-5, abs=1e-3)
    assert sums == pytest.approx(centred.sum(axis=0), rel=1e-5, abs=1e-3)
    assert np.array_equal(matrix, matrix.T)


def test_double_rows_far_from_the_origin_keep_their_digits():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2000, 5)) * 1e-3 + 1e6
    matrix, _ = scattered(rows, rows.mean(axis=0), [(0, 1)])
    centred = rows - rows.mean(axis=0)
    assert matrix == pytest.approx(centred.T @ centred, rel=1e-5, abs=1e-8)


def test_arrays_of_other_sizes_never_reach_the_kernel():
    rows, shift = np.zeros((3, 20), np.float32), np.zeros(20, np.float32)
    tiles, sums, work = kernel.new_tiles(20), kernel.new_sums(20), kernel.new_work(20)
    for wrong in [(0, 3), (-1, 2), (2, 1)]:
        with pytest.raises(ValueError, match="no panels"):
            kernel.add_rows(rows, shift, wrong, work, tiles, sums)
    for arrays in [
        (shift[:-1], work, tiles, sums),
        (shift, work[:-1], tiles, sums),
        (shift, work, tiles[:-1], sums),
        (shift, work, tiles, sums[:-1]),
    ]:
        with pytest.raises(ValueError, match="20 columns"):
            kernel.add_rows(rows, arrays[0], (0, 2), *arrays[1:])
