"""Model files of every age; ``models/`` holds files and predictions of xgboost 1.7.6."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sagebrush.algorithms.xgboost import model as model_module
from sagebrush.algorithms.xgboost.legacy import read_legacy_model
from sagebrush.algorithms.xgboost.model import Ensemble, Model, WidthError
from sagebrush.algorithms.xgboost.stored_model import UnreadableModelError

STORED = Path(__file__).parent / "models"
EXPECTED = json.loads((STORED / "expected.json").read_text())
ROWS = np.array(EXPECTED["rows"], np.float32)


@pytest.mark.parametrize("name", sorted(EXPECTED["models"]))
@pytest.mark.parametrize("kind", ["model", "pickle"])
@pytest.mark.parametrize("walked_visits", [10, 1_000_000])
def test_files_of_xgboost_1_7_predict_what_it_predicted(name, kind, walked_visits, monkeypatch):
    monkeypatch.setattr(model_module, "WALKED_VISITS", walked_visits)
    model = Model.load(STORED / f"{name}.{kind}")
    expected = np.array(EXPECTED["models"][name], np.float32)
    np.testing.assert_array_equal(model.predict(ROWS), expected)
    assert model.is_pickle == (kind == "pickle")


def test_before_1_0_the_stored_base_score_is_a_margin(tmp_path):
    data = bytearray((STORED / "logistic_dart.model").read_bytes())
    start = len(b"binf")
    (base_score,) = struct.unpack_from("<f", data, start)
    assert base_score == 0.5
    struct.pack_into("<f", data, start, 0.0)
    struct.pack_into("<II", data, start + 20, 0, 0)
    (tmp_path / "old").write_bytes(data[start:])
    expected = np.array(EXPECTED["models"]["logistic_dart"], np.float32)
    np.testing.assert_array_equal(Model.load(tmp_path / "old").predict(ROWS), expected)


@settings(max_examples=200)
@given(cut=st.integers(0, 2000), noise=st.binary(max_size=40))
def test_broken_binary_models_raise_value_error(cut: int, noise: bytes):
    data = (STORED / "softprob.model").read_bytes()[:cut] + noise
    try:
        document = read_legacy_model(data)
    except ValueError:
        return
    assert document["learner"]["objective"]["name"]


def booster_of(objective: str = "binary:logistic", rounds: int = 5, seed: int = 0, **parameters):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(100, 4)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(float)
    settings_ = {"objective": objective, "max_depth": 3, "nthread": 1, **parameters}
    return xgboost.train(settings_, xgboost.DMatrix(features, label=labels), rounds)


@pytest.mark.parametrize("raw_format", ["ubj", "json"])
def test_both_of_todays_formats_are_read(tmp_path, raw_format):
    booster = booster_of()
    (tmp_path / "xgboost-model").write_bytes(bytes(booster.save_raw(raw_format)))
    features = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    model = Model.load(tmp_path / "xgboost-model")
    expected = booster.predict(xgboost.DMatrix(features))
    np.testing.assert_array_equal(model.predict(features), expected)


def test_a_pickle_of_this_xgboost_is_read(tmp_path):
    booster = booster_of()
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps(booster))
    features = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    for walked in (True, False):
        model = Model.load(tmp_path / "xgboost-model")
        if not walked:
            model.forest = None
        expected = booster.predict(xgboost.DMatrix(features))
        np.testing.assert_array_equal(model.predict(features), expected)


@pytest.fixture
def model(tmp_path) -> Model:
    (tmp_path / "m").write_bytes(bytes(booster_of().save_raw("ubj")))
    return Model.load(tmp_path / "m")


def test_few_rows_do_not_wake_xgboost_and_many_do(model, monkeypatch):
    features = np.zeros((model_module.WALKED_VISITS, 4), np.float32)
    model.predict(features[:10])
    assert "booster" not in vars(model)
    model.predict(features)
    assert "booster" in vars(model)


def test_sparse_rows_miss_what_they_do_not_state(model):
    dense = np.array([[np.nan, 2, np.nan, 0], [1, np.nan, np.nan, np.nan]], np.float32)
    stated = sparse.csr_matrix(([2, 0, 1], [1, 3, 0], [0, 2, 3]), shape=(2, 4), dtype=np.float32)
    np.testing.assert_array_equal(model.predict(stated), model.predict(dense))
    narrow = sparse.csr_matrix(([1.0], [0], [0, 1]), shape=(1, 1), dtype=np.float32)
    np.testing.assert_array_equal(model.predict(narrow), model.predict(dense)[1:])


def test_missing_columns_are_missing_values_and_more_are_refused(model):
    wide = np.array([[1, 2, np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(model.predict(wide[:, :2]), model.predict(wide))
    with pytest.raises(WidthError, match=r"\(4 vs. 5\) : Number of columns does not match"):
        model.predict(np.zeros((1, 5), np.float32))


def test_linear_models_predict_through_xgboost(tmp_path):
    booster = booster_of("reg:squarederror", booster="gblinear")
    (tmp_path / "m").write_bytes(bytes(booster.save_raw("ubj")))
    features = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    expected = booster.predict(xgboost.DMatrix(features))
    np.testing.assert_array_equal(Model.load(tmp_path / "m").predict(features), expected)


@pytest.mark.skipif(
    tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 1),
    reason="xgboost before 3.1 reads linear models in the old binary format",
)
def test_linear_models_of_old_images_say_which_image_serves_them():
    with pytest.raises(UnreadableModelError, match=r"served by image version 1.7-1 or older"):
        Model.load(STORED / "linear.model")


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"{", b'{"a": 1}', b"{}", b"\x80\x04N.", b"binf" + bytes(300)]
)
def test_files_that_are_no_models_are_named(tmp_path, content):
    path = tmp_path / "xgboost-model"
    path.write_bytes(content)
    with pytest.raises(UnreadableModelError) as raised:
        Model.load(path)
    assert str(raised.value).startswith(f"Model {path} cannot be loaded:")


def models(tmp_path, objective: str, **parameters) -> list[Model]:
    loaded = []
    for seed in range(3):
        booster = booster_of(objective, rounds=1, seed=seed, **parameters)
        (tmp_path / str(seed)).write_bytes(bytes(booster.save_raw("ubj")))
        loaded.append(Model.load(tmp_path / str(seed)))
    return loaded


def test_ensembles_average_scores(tmp_path):
    members = models(tmp_path, "binary:logistic")
    features = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    expected = np.mean([member.predict(features) for member in members], axis=0)
    np.testing.assert_array_equal(Ensemble(members).predict(features), expected)


def test_ensembles_vote_on_classes(tmp_path):
    features = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    members = models(tmp_path, "multi:softmax", num_class=2)
    members.sort(key=lambda member: member.predict(features).sum())
    votes = np.stack([member.predict(features) for member in members])
    majority = np.median(votes, axis=0)
    assert (votes[0] != majority).any()
    np.testing.assert_array_equal(Ensemble(members).predict(features), majority)
