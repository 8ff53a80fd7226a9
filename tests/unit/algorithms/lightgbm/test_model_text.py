"""Damaged model texts are refused; LightGBM itself would end the process on most of these."""

import re

import lightgbm
import numpy as np
import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lightgbm import artifact
from sagebrush.algorithms.lightgbm.model_text import checked

NUMBERS = np.random.default_rng(0)
ROWS = np.column_stack([NUMBERS.normal(size=(300, 3)), NUMBERS.integers(0, 40, 300)])
TARGET = ROWS[:, 0] + (ROWS[:, 3] % 3) - 1


def booster_of(**parameters) -> lightgbm.Booster:
    settings = {
        "objective": "regression",
        "verbosity": -1,
        "num_threads": 1,
        "num_leaves": 7,
        "min_data_per_group": 2,
        "cat_smooth": 1,
    }
    target = TARGET.round() % 3 if "num_class" in parameters else TARGET
    data = lightgbm.Dataset(ROWS, target, categorical_feature=[3])
    return lightgbm.train(settings | parameters, data, 4)


@pytest.fixture(scope="module")
def text() -> str:
    return booster_of(max_cat_to_onehot=1).model_to_string()


@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "multiclass", "num_class": 3},
        {"max_cat_to_onehot": 1},
        {"boosting": "dart"},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"min_data_in_leaf": 299},
        {"linear_tree": True},
    ],
)
def test_models_of_every_kind_predict_as_before(parameters):
    booster = booster_of(**parameters)
    again = lightgbm.Booster(model_str=checked(booster.model_to_string()))
    np.testing.assert_array_equal(again.predict(ROWS), booster.predict(ROWS))


def test_a_text_cut_off_anywhere_is_refused(text, tmp_path):
    for length in range(0, text.index("\nend of trees"), 97):
        (tmp_path / "model.txt").write_text(text[:length])
        with pytest.raises(ClientError, match="The model cannot be read: it is cut off"):
            artifact.load(tmp_path)


def test_a_text_cut_off_behind_its_trees_is_refused_or_whole(text, tmp_path):
    whole, refused = lightgbm.Booster(model_str=text).predict(ROWS), 0
    for length in range(text.index("\nend of trees") + 14, text.index("\nend of parameters"), 13):
        (tmp_path / "model.txt").write_text(text[:length])
        try:
            np.testing.assert_array_equal(artifact.load(tmp_path).booster.predict(ROWS), whole)
        except ClientError:
            refused += 1
    assert refused > 50


def damaged(text: str, name: str, edit) -> str:
    """The text with the values of the first line of that name edited."""
    return re.sub(
        rf"^{name}=(.*)$",
        lambda found: f"{name}={edit(found[1])}",
        text,
        count=1,
        flags=re.MULTILINE,
    )


@pytest.mark.parametrize(
    ("name", "edit", "reason"),
    [
        ("num_leaves", lambda value: f"{value}0", "leaf_value does not have 70 numbers"),
        ("left_child", lambda value: f"{value}0", "make no tree"),
        ("left_child", lambda value: value[::-1].strip(" -"), "tree 0"),
        ("right_child", lambda value: "0" + value[1:], "make no tree"),
        ("right_child", lambda value: value.rpartition(" ")[0], "right_child does not have 6"),
        ("right_child", lambda value: "9" * 30 + value, "tree 0: right_child"),
        ("split_feature", lambda value: f"{value}7", "split_feature is not between 0 and 3"),
        ("cat_boundaries", lambda value: f"{value}9", "cat_boundaries do not fit"),
        ("cat_threshold", lambda value: f"{value} 1", "cat_boundaries do not fit"),
        ("num_class", lambda _: "0", "a number below one"),
        ("num_class", lambda _: "5", "1 trees per round do not make 5 classes"),
        ("num_tree_per_iteration", lambda _: "0", "a number below one"),
        ("num_tree_per_iteration", lambda _: "a", "num_tree_per_iteration"),
        ("max_feature_idx", lambda _: "9", "feature_names does not have 10 entries"),
        ("tree_sizes", lambda value: f"{value} 1", "4 trees are not the number"),
        ("leaf_value", lambda value: f"x{value}", "The model cannot be read"),
    ],
)
def test_numbers_that_do_not_fit_are_named(text, tmp_path, name, edit, reason):
    (tmp_path / "model.txt").write_text(damaged(text, name, edit))
    with pytest.raises(ClientError, match=reason):
        artifact.load(tmp_path)


def test_category_sets_that_are_not_there_are_refused(text):
    values = re.search(r"^threshold=(.*)$", text, re.MULTILINE)[1].split()
    kinds = re.search(r"^decision_type=(.*)$", text, re.MULTILINE)[1].split()
    chosen = [number for number, kind in enumerate(kinds) if int(kind) & 1]
    values[chosen[0]] = "99"
    with pytest.raises(ValueError, match="a category set is not between"):
        checked(damaged(text, "threshold", lambda _: " ".join(values)))


def test_text_that_is_no_text_and_notes_that_are_no_notes_are_refused(text, tmp_path):
    (tmp_path / "model.txt").write_bytes(b"tree\xff")
    with pytest.raises(ClientError, match=r"model\.txt is no LightGBM model"):
        artifact.load(tmp_path)
    (tmp_path / "model.txt").write_text(text)
    good = '{"problem_type": "regression", "labels": [], "categorical": [], "words": {}}'
    (tmp_path / "model_notes.json").write_text(good)
    assert artifact.load(tmp_path).problem_type == "regression"
    for notes in (good[:-5], "[]", good.replace("words", "wards"), good.replace("[]", "[1]")):
        (tmp_path / "model_notes.json").write_text(notes)
        with pytest.raises(ClientError, match=r"model_notes\.json has no notes on a model"):
            artifact.load(tmp_path)
