import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.xgboost.cross_validation import HeldOutPredictions, folds


@given(
    rows=st.integers(6, 60), fold_count=st.integers(2, 6), repeats=st.integers(1, 3),
    seed=st.integers(0, 99), stratified=st.booleans(),
)  # fmt: skip
def test_each_repeat_holds_every_row_out_once(rows, fold_count, repeats, seed, stratified):
    labels = np.arange(rows) % 3 if stratified else None
    splits = list(folds(rows, fold_count, repeats, labels, seed))
    assert len(splits) == fold_count * repeats
    for repeat in range(repeats):
        part = splits[repeat * fold_count : (repeat + 1) * fold_count]
        held_out = np.concatenate([out for _, out in part])
        assert sorted(held_out) == list(range(rows))
        for kept, out in part:
            assert sorted([*kept, *out]) == list(range(rows))
            assert abs(len(out) - rows / fold_count) < 1


@given(counts=st.lists(st.integers(1, 20), min_size=2, max_size=4), fold_count=st.integers(2, 5))
def test_stratified_folds_share_every_class(counts, fold_count):
    labels = np.repeat(np.arange(len(counts)), counts)
    for _, out in folds(len(labels), fold_count, 1, labels, 0):
        for label, count in enumerate(counts):
            assert abs((labels[out] == label).sum() - count / fold_count) < 1


def test_a_seed_repeats_the_folds_and_repeats_differ():
    first, second = (list(folds(30, 3, 2, None, 7)) for _ in range(2))
    for (_, out), (_, again) in zip(first, second, strict=True):
        np.testing.assert_array_equal(out, again)
    assert any((a[1] != b[1]).any() for a, b in zip(first[:3], first[3:], strict=True))


def saved(recorder: HeldOutPredictions, folder) -> list[list[float]]:
    return np.loadtxt(recorder.save(folder), delimiter=",", ndmin=2).tolist()


def test_scores_are_averaged_and_the_commonest_class_is_kept(tmp_path):
    recorder = HeldOutPredictions(np.array([1, 0], np.float32), 3, is_classification=True)
    for scores in ([0.9, 0.2], [0.7, 0.6], [0.2, 0.1]):
        recorder.record(np.arange(2), np.array(scores), 0.5)
    assert saved(recorder, tmp_path / "new") == [[1, 0.6, 1], [0, 0.3, 0]]


def test_multiclass_scores_are_the_winners(tmp_path):
    recorder = HeldOutPredictions(np.array([2, 0], np.float32), 1, is_classification=True)
    recorder.record(np.array([1]), np.array([[0.5, 0.3, 0.2]]), 0.5)
    recorder.record(np.array([0]), np.array([[0.1, 0.1, 0.8]]), 0.5)
    assert saved(recorder, tmp_path) == [[2, 0.8, 2], [0, 0.5, 0]]


def test_class_numbers_are_kept_where_the_objective_gives_them(tmp_path):
    recorder = HeldOutPredictions(np.array([2], np.float32), 1, is_classification=True)
    recorder.record(np.array([0]), np.array([2.0]), float("inf"))
    assert saved(recorder, tmp_path)[0][2] == 2


def test_values_are_averaged(tmp_path):
    recorder = HeldOutPredictions(np.array([1.5], np.float32), 2, is_classification=False)
    recorder.record(np.array([0]), np.array([1.0]), 0.5)
    recorder.record(np.array([0]), np.array([2.0]), 0.5)
    assert saved(recorder, tmp_path) == [[1.5, 1.5]]


def test_more_repeats_than_planned_are_a_defect():
    recorder = HeldOutPredictions(np.array([1], np.float32), 1, is_classification=False)
    recorder.record(np.array([0]), np.array([1.0]), 0.5)
    with pytest.raises(IndexError):
        recorder.record(np.array([0]), np.array([1.0]), 0.5)
