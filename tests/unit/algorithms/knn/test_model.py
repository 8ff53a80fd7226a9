"""The KNN estimator; goldens: scikit-learn's brute-force neighbours."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.knn.model import KNN

DIGITS = load_digits()
X, X_TEST, Y, Y_TEST = train_test_split(
    DIGITS.data.astype(np.float32), DIGITS.target.astype(np.float32), random_state=0
)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_classes_are_those_of_scikit_learn(k: int):
    model = KNN(k).fit(X, Y)
    oracle = KNeighborsClassifier(k, algorithm="brute").fit(X, Y)
    # Equally far neighbours, frequent among whole-numbered pixels, may be others.
    assert (model.predict(X_TEST) == oracle.predict(X_TEST)).mean() > 0.99
    distances, places = model.kneighbors(X_TEST)
    assert np.sqrt(distances) == pytest.approx(oracle.kneighbors(X_TEST)[0], rel=1e-4)
    assert np.array_equal(model.neighbours(X_TEST)[1], Y[places])


def test_means_are_those_of_scikit_learn():
    rows, values = load_diabetes(return_X_y=True)
    model = KNN(7, predictor_type="regressor", threads=2).fit(rows, values)
    oracle = KNeighborsRegressor(7, algorithm="brute").fit(rows, values)
    assert model.predict(rows[:100]) == pytest.approx(oracle.predict(rows[:100]), rel=1e-4)


def test_cosine_and_inner_product():
    cosine = KNN(4, index_metric="COSINE").fit(X, Y)
    oracle = NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute").fit(X)
    assert cosine.kneighbors(X_TEST)[0] == pytest.approx(oracle.kneighbors(X_TEST)[0], abs=1e-5)
    product = KNN(4, index_metric="INNER_PRODUCT").fit(X, Y)
    expected = np.sort(-(X_TEST @ X.T), axis=1)[:, :4]
    assert product.kneighbors(X_TEST)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "accuracy"),
    [
        ({"index_type": "faiss.IVFFlat"}, 0.97),
        ({"index_type": "faiss.IVFFlat", "index_metric": "COSINE"}, 0.96),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": 16}, 0.93),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": 12}, 0.93),
        ({"dimension_reduction_type": "sign", "dimension_reduction_target": 32}, 0.93),
        ({"dimension_reduction_type": "fjlt", "dimension_reduction_target": 32}, 0.93),
        (
            {
                "dimension_reduction_type": "fjlt",
                "dimension_reduction_target": 30,
                "index_type": "faiss.IVFPQ",
                "faiss_index_pq_m": 8,
            },
            0.87,
        ),
    ],
)
def test_approximations_stay_near(options: dict, accuracy: float, tmp_path: Path):
    model = KNN(5, **options).fit(X, Y)
    found = model.predict(X_TEST)
    assert (found == Y_TEST).mean() > accuracy
    model.save(tmp_path)
    assert np.array_equal(KNN.load(tmp_path).predict(X_TEST), found)


def test_lists_default_to_the_root_of_the_sample_and_rows_are_padded(tmp_path: Path):
    KNN(5, index_type="faiss.IVFPQ", faiss_index_pq_m=12).fit(X[:900], Y[:900]).save(tmp_path)
    index = faiss.read_index(str(tmp_path / "model_algo-1"))
    assert (index.nlist, index.nprobe, index.d, index.pq.M) == (30, 5, 72, 12)
    # A reduction's target is raised instead: 30 to the next multiple of 8.
    model = KNN(
        5,
        dimension_reduction_type="sign",
        dimension_reduction_target=30,
        index_type="faiss.IVFPQ",
        faiss_index_pq_m=8,
        faiss_index_ivf_nlists=7,
        probes=2,
    )
    model.fit(X, Y).save(tmp_path)
    index = faiss.read_index(str(tmp_path / "model_algo-1"))
    assert (index.nlist, index.nprobe, index.d) == (7, 2, 32)


def test_few_rows_can_be_compressed_too():
    model = KNN(1, index_type="faiss.IVFPQ", faiss_index_pq_m=64).fit(X[:40], Y[:40])
    assert (model.predict(X[:40]) == Y[:40]).mean() > 0.8


def test_lists_with_fewer_rows_than_k_are_made_up_for():
    model = KNN(60, index_type="faiss.IVFFlat", faiss_index_ivf_nlists=100, probes=1)
    distances, labels = model.fit(X, Y).neighbours(X_TEST[:50])
    assert np.isfinite(distances).all()
    assert (distances < 1e9).all()
    exact = KNN(60).fit(X, Y).neighbours(X_TEST[:50])[0]
    assert (distances >= exact - 1e-2).all()
    assert labels.shape == (50, 60)


def test_a_sample_is_drawn_of_more_rows_than_asked_for():
    model = KNN(1, sample_size=200).fit(X, Y)
    assert model.sampled_rows_ == 200
    again, other = KNN(1, sample_size=200).fit(X, Y), KNN(1, sample_size=200, seed=1).fit(X, Y)
    assert np.array_equal(model.predict(X_TEST), again.predict(X_TEST))
    assert not np.array_equal(model.predict(X_TEST), other.predict(X_TEST))


def test_sparse_rows_and_batches_make_no_difference():
    whole = KNN(3).fit(X, Y).neighbours(X_TEST)
    parts = KNN(3)
    for first in range(0, len(X), 100):
        part = slice(first, first + 100)
        parts.partial_fit(sparse.csr_matrix(X[part]), Y[part])
    found = parts.finish().neighbours(sparse.csr_matrix(X_TEST))
    assert np.array_equal(found[0], whole[0])
    assert np.array_equal(found[1], whole[1])


def test_a_model_for_search_only_answers_alike_and_is_not_saved(tmp_path: Path):
    model = KNN(3).fit(X, Y)
    model.save(tmp_path)
    loaded = KNN.load(tmp_path, search_only=True)
    assert np.array_equal(loaded.predict(X_TEST), model.predict(X_TEST))
    with pytest.raises(ValueError, match="search only"):
        loaded.save(tmp_path)


def test_refuses_what_it_cannot_learn_from():
    with pytest.raises(ClientError, match="holds 4 examples, fewer than the 5"):
        KNN(5).fit(X[:4], Y[:4])
    with pytest.raises(ClientError, match="'faiss_index_ivf_nlists' is 50, more than the 20"):
        KNN(5, index_type="faiss.IVFFlat", faiss_index_ivf_nlists=50).fit(X[:20], Y[:20])
    with pytest.raises(ClientError, match="64 is not less than 64"):
        KNN(5, dimension_reduction_type="sign", dimension_reduction_target=64).fit(X, Y)
    with pytest.raises(ClientError, match="one label"):
        KNN(5).fit(X, Y[1:])
    with pytest.raises(ClientError, match="labels contain values that are not finite"):
        KNN(5).fit(X, np.where(Y == 3, np.nan, Y))
    rows = X.copy()
    rows[0, 0] = np.inf
    with pytest.raises(ClientError, match="not finite"):
        KNN(5).fit(rows, Y)
    with pytest.raises(ValueError, match="expected 64 features, got 63"):
        KNN(5).fit(X, Y).predict(X[:, 1:])
    with pytest.raises(ValueError, match="not been fitted"):
        KNN(5).predict(X)
    with pytest.raises(ClientError, match="no examples"):
        KNN(5).finish()


def test_features_too_large_for_distances_are_refused_in_training():
    data = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    huge, labels = data * np.float32(1e30), np.zeros(50)
    for rows in (huge, sparse.csr_matrix(huge)):
        with pytest.raises(ClientError, match="too large to take distances of"):
            KNN(3).partial_fit(rows, labels)
    KNN(3).fit(data * np.float32(1e17), labels)
    KNN(3, index_metric="COSINE").fit(huge, labels)
