"""The model's three files as the developer guide documents them, read by faiss and by hand."""

import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.knn.artifact import read_model
from sagebrush.algorithms.knn.model import KNN

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(50, 6)).astype(np.float32)
LABELS = RANDOM.integers(0, 3, 50).astype(np.float32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    KNN(4).fit(ROWS, LABELS).save(tmp_path)
    return tmp_path


def edit(folder: Path, **changes) -> None:
    path = folder / "model_algo-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_faiss_numpy_and_json_read_the_files(saved: Path):
    index = faiss.read_index(str(saved / "model_algo-1"))
    assert np.array_equal(index.reconstruct_n(0, 50), ROWS)
    assert np.array_equal(np.fromfile(saved / "model_algo-1.labels", np.float32), LABELS)
    assert json.loads((saved / "model_algo-1.json").read_text()) == {
        "k": 4,
        "predictor_type": "classifier",
        "dimension_reduction": None,
        "normalize": False,
        "feature_dim": 6,
        "version": "1.0",
    }


def test_metadata_names_the_reduction_and_the_normalisation(tmp_path: Path):
    model = KNN(
        2,
        dimension_reduction_type="sign",
        dimension_reduction_target=3,
        index_metric="COSINE",
        seed=3,
    )
    model.fit(ROWS, LABELS).save(tmp_path, "algo-2")
    metadata = json.loads((tmp_path / "model_algo-2.json").read_text())
    assert metadata["normalize"] is True
    assert metadata["dimension_reduction"] == {
        "type": "sign",
        "seed": 3,
        "target_dim": 3,
        "input_dim": 6,
        "generator": "numpy.random.PCG64",
    }


def test_users_may_change_k_and_the_kind_of_prediction(saved: Path):
    edit(saved, k=10, predictor_type="regressor")
    model = KNN.load(saved)
    distances, labels = model.neighbours(ROWS[:3])
    assert distances.shape == (3, 10)
    assert model.predict(ROWS[:3]) == pytest.approx(labels.mean(axis=1))


def test_a_model_made_elsewhere_loads_whichever_host_wrote_it(tmp_path: Path):
    # What the developer guide's example has, and no more.
    index = faiss.IndexFlatL2(6)
    index.add(ROWS)
    faiss.write_index(index, str(tmp_path / "model_algo-2"))
    LABELS.tofile(tmp_path / "model_algo-2.labels")
    metadata = {"k": 1, "predictor_type": "classifier", "normalize": False, "version": "1.0"}
    (tmp_path / "model_algo-2.json").write_text(json.dumps(metadata))
    assert np.array_equal(KNN.load(tmp_path).predict(ROWS), LABELS)


def test_a_reduction_with_unknown_random_numbers_is_refused(saved: Path):
    reduction = {"type": "sign", "seed": 3, "target_dim": 6, "input_dim": 20}
    edit(saved, dimension_reduction=reduction)
    with pytest.raises(AlgorithmError, match="random numbers of its dimension_reduction"):
        read_model(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k 0"),
        ({"k": 51}, "the index has 50 rows"),
        ({"k": "many"}, "no metadata"),
        ({"predictor_type": "oracle"}, "predictor_type 'oracle'"),
        ({"normalize": "maybe"}, "normalize 'maybe'"),
        ({"feature_dim": 7}, "does not fit an index of 6 dimensions"),
        ({"dimension_reduction": [1]}, "no metadata"),
    ],
)
def test_metadata_that_cannot_be_followed_is_refused(saved: Path, changes: dict, message: str):
    edit(saved, **changes)
    with pytest.raises(AlgorithmError, match=message):
        read_model(saved)


def test_missing_and_foreign_files_are_refused_by_name(saved: Path):
    path = saved / "model_algo-1"
    content = path.read_bytes()
    for foreign in (b"\x80\x04 a pickle", content[:40], b""):
        path.write_bytes(foreign)
        with pytest.raises(AlgorithmError, match="model_algo-1 is no index"):
            read_model(saved)
    path.write_bytes(content)
    labels = saved / "model_algo-1.labels"
    labels.write_bytes(labels.read_bytes()[:-4])
    with pytest.raises(AlgorithmError, match="holds 196 bytes, not 4 for each of the 50 rows"):
        read_model(saved)
    labels.unlink()
    with pytest.raises(AlgorithmError, match=r"no file model_algo-1\.labels"):
        read_model(saved)
    (saved / "model_algo-1.json").unlink()
    with pytest.raises(AlgorithmError, match=r"no file model_algo-1\.json"):
        read_model(saved)


def test_an_index_that_asks_for_more_memory_than_there_is_is_refused(saved: Path, monkeypatch):
    def damaged(_path: str) -> None:
        raise MemoryError("std::bad_alloc")  # what faiss does where a damaged size is read

    monkeypatch.setattr(faiss, "read_index", damaged)
    with pytest.raises(AlgorithmError, match=r"model_algo-1 is no index .*: std::bad_alloc"):
        read_model(saved)
