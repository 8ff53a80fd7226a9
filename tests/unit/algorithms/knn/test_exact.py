"""The exhaustive search; oracles: numpy in double precision and faiss' flat index."""

import faiss
import numpy as np
import pytest

from sagebrush.algorithms import native
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.knn import kernel
from sagebrush.algorithms.knn.exact import ExactSearch


@pytest.fixture(params=native.variants(), autouse=True)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Every variant of the kernel that this machine runs."""
    monkeypatch.setattr(native, "variants", lambda: (request.param,))
    native.load_kernel.cache_clear()
    kernel._kernel.cache_clear()
    yield
    native.load_kernel.cache_clear()
    kernel._kernel.cache_clear()


def brute(rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    rows, queries = rows.astype(np.float64), queries.astype(np.float64)
    distances = ((queries[:, None] - rows[None]) ** 2).sum(axis=2)
    places = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, places, axis=1), places


@pytest.mark.parametrize("count", [1, 15, 16, 17, 300])
@pytest.mark.parametrize("width", [1, 3, 40])
@pytest.mark.parametrize("queries", [1, 2, 16, 17, 70])
def test_distances_are_those_of_numpy(count: int, width: int, queries: int):
    random = np.random.default_rng(count + width)
    rows = random.normal(size=(count, width)).astype(np.float32)
    asked = random.normal(size=(queries, width)).astype(np.float32)
    k = min(count, 5)
    distances, places = ExactSearch(rows, inner_product=False).search(asked, k, 2)
    expected, where = brute(rows, asked, k)
    assert distances == pytest.approx(expected, rel=1e-4, abs=1e-6)
    # Only rows as near as makes no difference may change places.
    assert ((places == where) | np.isclose(distances, expected, rtol=1e-5)).all()


def test_all_rows_in_order_for_the_largest_k():
    rows = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    distances, places = ExactSearch(rows, inner_product=False).search(rows[:20], 500, 1)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (np.sort(places, axis=1) == np.arange(500)).all()
    assert places[:, 0].tolist() == list(range(20))


def test_far_from_the_origin_neighbours_are_still_found():
    near = np.random.default_rng(0).normal(size=(2000, 20)).astype(np.float32).round(2)
    far = (near + np.float32(8192)).astype(np.float32)
    near = far - np.float32(8192)
    expected = brute(near, near[:50], 8)[0]
    distances, _ = ExactSearch(far, inner_product=False).search(far[:50], 8, 2)
    assert distances == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_inner_products_are_those_of_faiss():
    random = np.random.default_rng(1)
    rows, asked = (random.normal(size=(n, 12)).astype(np.float32) for n in (400, 90))
    index = faiss.IndexFlatIP(12)
    index.add(rows)
    expected, where = index.search(asked, 7)
    scores, places = ExactSearch(rows, inner_product=True).search(asked, 7, 2)
    assert scores == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert (places == where).mean() > 0.99


def test_equal_rows_come_in_their_own_order():
    rows = np.repeat(np.eye(3, dtype=np.float32), 40, axis=0)
    _, places = ExactSearch(rows, inner_product=False).search(rows[[0, 50]], 5, 1)
    assert places.tolist() == [[0, 1, 2, 3, 4], [40, 41, 42, 43, 44]]


def test_a_query_alone_is_answered_as_among_others():
    random = np.random.default_rng(2)
    rows, asked = (random.normal(size=(n, 33)).astype(np.float32) for n in (900, 200))
    search = ExactSearch(rows, inner_product=False)
    together = search.search(asked, 6, 2)
    for number in (0, 17, 199):
        alone = search.search(asked[number : number + 1], 6, 2)
        assert np.array_equal(alone[0][0], together[0][number])
        assert np.array_equal(alone[1][0], together[1][number])


def test_numbers_too_large_for_distances_are_refused():
    rows = np.ones((20, 2), np.float32)
    rows[3] = 1e30
    with pytest.raises(ClientError, match="too large"):
        ExactSearch(rows, inner_product=False)
    with pytest.raises(ClientError, match="too large"):
        ExactSearch(rows[:3], inner_product=True).search(np.full((1, 2), np.nan, np.float32), 1, 1)


def test_arrays_that_do_not_fit_never_reach_the_kernel():
    rows = np.ones((20, 3), np.float32)
    panels, bias = kernel.pack_rows(rows, np.zeros(3, np.float32), by_distance=True)
    with pytest.raises(ValueError, match="shift"):
        kernel.pack_rows(rows, np.zeros(2, np.float32), by_distance=True)
    groups = kernel.pack_queries(rows[:1])
    size = kernel.group_queries()
    scores, places = np.zeros((size, 2), np.float32), np.zeros((size, 2), np.int64)
    for span, queries, wrong in [
        ((0, 3), 1, scores),
        ((-1, 2), 1, scores),
        ((0, 2), size + 1, scores),
        ((0, 2), 0, scores),
        ((0, 2), 1, scores[:, :1]),
    ]:
        with pytest.raises(ValueError, match=r"panels|do not fit"):
            kernel.scan(panels, bias, span, groups, queries, wrong, places)
    with pytest.raises(ValueError, match="differ"):
        kernel.scan(panels, bias, (0, 2), groups[:-1], 1, scores, places)
    for place in (-1, 20):
        with pytest.raises(ValueError, match="beyond"):
            kernel.distances(panels, 20, rows[:1], np.array([[place]]))
