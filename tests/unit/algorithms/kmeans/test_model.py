"""The K-Means estimator; oracles: scikit-learn's KMeans and the generator's own centres."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans as Oracle
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import pairwise_distances_argmin_min

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.kmeans import model as model_module
from sagebrush.algorithms.kmeans.model import KMeans


def msd(rows: np.ndarray, centers: np.ndarray) -> float:
    return float((pairwise_distances_argmin_min(rows, centers)[1] ** 2).mean())


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    rows, _, centers = make_blobs(
        8000, 10, centers=20, cluster_std=2.0, random_state=0, return_centers=True
    )
    return rows.astype(np.float32), centers


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_noise_floor_of_blobs_from_every_seed(blobs, seed: int):
    rows, centers = blobs
    model = KMeans(20, mini_batch_size=1000, seed=seed).fit(rows)
    assert msd(rows, model.centers_) <= 1.005 * msd(rows, centers)


def test_digits_are_clustered_as_well_as_by_scikit_learn():
    rows = load_digits().data.astype(np.float32)
    model = KMeans(10, mini_batch_size=500, epochs=3, seed=0).fit(rows)
    oracle = Oracle(10, n_init=1, random_state=0).fit(rows).inertia_ / len(rows)
    assert msd(rows, model.centers_) <= 1.02 * oracle


def test_train_msd_bounds_the_distance_to_the_nearest_center(blobs):
    rows, _ = blobs
    model = KMeans(20, mini_batch_size=1000).fit(rows)
    actual = msd(rows, model.centers_)
    assert actual <= model.train_msd_ <= 1.01 * actual


def test_streaming_centers_are_the_means_of_what_they_absorbed(blobs):
    # With one centre per cluster asked for and no forgetting, one centre is the running mean.
    rows, _ = blobs
    model = KMeans(1, extra_center_factor=1, local_lloyd_num_trials=1)
    model.start(rows[:100])
    for first in range(0, 1000, 100):
        model.partial_fit(rows[first : first + 100])
    model.finish()
    assert model.centers_[0] == pytest.approx(rows[:1000].mean(axis=0), abs=1e-4)
    assert model.rows_seen_ == 1000


def test_half_life_halves_the_weight_of_old_rows():
    model = KMeans(1, extra_center_factor=1, half_life_time_size=10)
    model.start(np.zeros((10, 1), np.float32))
    model.partial_fit(np.zeros((10, 1), np.float32))
    model.partial_fit(np.full((10, 1), 3.0, np.float32))
    model.finish()
    assert model.centers_[0, 0] == pytest.approx(2.0)  # (5 * 0 + 10 * 3) / 15


def test_far_from_the_origin_nothing_is_lost(blobs):
    rows, _ = blobs
    near = KMeans(20, mini_batch_size=1000).fit(rows)
    far = KMeans(20, mini_batch_size=1000).fit(rows.astype(np.float64) + 30_000)
    assert far.centers_ - 30_000 == pytest.approx(near.centers_, abs=0.05)


def test_sparse_and_threads_make_no_difference(blobs):
    rows = np.where(blobs[0] > 0, blobs[0], 0)
    options = {"mini_batch_size": 1000, "seed": 1}
    dense = KMeans(5, **options).fit(rows)
    assert KMeans(5, **options).fit(sparse.csr_matrix(rows)).centers_ == pytest.approx(
        dense.centers_, abs=1e-3
    )
    threaded = KMeans(5, threads=3, **options).fit(rows)
    assert np.array_equal(threaded.centers_, dense.centers_)


def test_same_seed_same_centers_other_seed_others(blobs):
    rows = blobs[0][:500]
    first, again, other = (
        KMeans(4, extra_center_factor=1, seed=seed).fit(rows).centers_ for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("init_method", ["random", "kmeans++"])
@pytest.mark.parametrize("local", ["random", "kmeans++"])
def test_every_initialisation_gives_k_finite_centers(blobs, init_method: str, local: str):
    model = KMeans(7, init_method=init_method, local_lloyd_init_method=local).fit(blobs[0][:900])
    assert model.centers_.shape == (7, 10)
    assert np.isfinite(model.centers_).all()


def test_assign_gives_the_nearest_center_and_the_euclidean_distance(blobs):
    rows, _ = blobs
    model = KMeans(20, mini_batch_size=1000).fit(rows)
    nearest, distances = model.assign(rows)
    expected_nearest, expected = pairwise_distances_argmin_min(rows, model.centers_)
    assert distances == pytest.approx(expected, rel=1e-4)
    assert (nearest == expected_nearest).mean() > 0.999
    assert model.assign(sparse.csr_matrix(rows))[0].tolist() == nearest.tolist()
    assert model.assign(rows[:0])[0].shape == (0,)


def test_fewer_distinct_rows_than_clusters_still_give_k_centers():
    rows = np.repeat(np.eye(2, dtype=np.float32), 10, axis=0)
    model = KMeans(5).fit(rows)
    assert model.centers_.shape == (5, 2)
    assert model.assign(rows)[1].max() == pytest.approx(0, abs=1e-6)


def test_auto_factor_keeps_the_centers_within_the_first_batch():
    rows = np.random.default_rng(0).normal(size=(35, 2)).astype(np.float32)
    assert KMeans(10).fit(rows).center_factor_ == 3
    assert KMeans(2).fit(rows).center_factor_ == 10


def test_refuses_too_few_rows_and_values_that_are_not_finite():
    rows = np.ones((4, 2), np.float32)
    with pytest.raises(ClientError, match="fewer than the 5 clusters"):
        KMeans(5).fit(rows)
    with pytest.raises(ClientError, match="'extra_center_factor' is 8"):
        KMeans(2, extra_center_factor=4).fit(rows)
    rows[1, 1] = np.nan
    with pytest.raises(ClientError, match="not finite"):
        KMeans(2).fit(rows)


def test_state_goes_on_where_it_was_saved(blobs):
    rows, _ = blobs
    whole = KMeans(5).start(rows[:500])
    half = KMeans(5).start(rows[:500])
    for model in (whole, half):
        model.partial_fit(rows[:500])
    resumed = KMeans(5).restore({name: value.copy() for name, value in half.state().items()})
    for model in (whole, resumed):
        model.partial_fit(rows[500:1000])
    assert np.array_equal(whole.state()["centers"], resumed.state()["centers"])
    assert resumed.rows_seen_ == 1000


def test_features_whose_squares_are_no_float32_are_refused():
    data = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    KMeans(k=2, seed=0).fit(data * np.float32(1e17))
    with pytest.raises(ClientError, match="too large to take distances of"):
        KMeans(k=2, seed=0).fit(data * np.float32(1e30))


class StopAfter:
    """Asks to stop from the given question on, and counts how often it is asked."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked >= self.first


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stop_leaves_the_rest_of_a_large_batch_out(monkeypatch, threads):
    monkeypatch.setattr(model_module, "BLOCK_SCORES", 400)
    rows = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    model = KMeans(k=4, init_method="random", threads=threads, extra_center_factor=1)
    model.start(rows)
    model.stop_requested = StopAfter(3)
    model.partial_fit(rows)
    assert model.rows_seen_ == 200
    assert model.finish().centers_.shape == (4, 3)
    assert len(model.attempts_) == 1


def test_a_stop_while_centres_are_chosen_takes_what_is_next():
    rows = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    stop = StopAfter(5)
    model = KMeans(k=40, init_method="kmeans++", extra_center_factor=1, stop_requested=stop)
    model.start(rows)
    assert stop.asked == 5
    centers = (model._centers + model._shift).astype(np.float32)
    assert len(np.unique(centers.round(4), axis=0)) == 40
    undisturbed = KMeans(k=40, init_method="kmeans++", extra_center_factor=1).start(rows)
    np.testing.assert_array_equal(model._centers[:5], undisturbed._centers[:5])
    assert not np.array_equal(model._centers[5], undisturbed._centers[5])
