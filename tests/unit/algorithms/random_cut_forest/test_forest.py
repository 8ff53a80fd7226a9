"""Trees and scores beside the published definition, written in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.unit.algorithms.random_cut_forest.published_definition import (
    expected_score,
)

from sagebrush.algorithms import native
from sagebrush.algorithms.random_cut_forest import kernel
from sagebrush.algorithms.random_cut_forest.forest import Forest, grow_forest


def rows_of(tree: int, forest: Forest) -> tuple[np.ndarray, np.ndarray]:
    """The leaves of one tree and how many rows each holds."""
    span = slice(*forest.leaf_starts[tree : tree + 2])
    return forest.leaves[span], forest.masses[span]


def below(forest: Forest, tree: int, child: int) -> np.ndarray:
    """All leaves below a child of a tree."""
    if child < 0:
        return rows_of(tree, forest)[0][~child][None]
    node = forest.nodes[forest.node_starts[tree] + child]
    return np.concatenate([below(forest, tree, int(node[side])) for side in ("left", "right")])


def score_in_tree(forest: Forest, tree: int, row: np.ndarray) -> float:
    """The score of a padded, scaled row in one tree, from the leaves and cuts alone."""
    leaves, masses = rows_of(tree, forest)
    sample = int(masses.sum())

    def walk(child: int, depth: int) -> float:
        if child < 0:
            mass = int(masses[~child])
            if (leaves[~child] == row).all():
                return (1 - mass / (2 * sample)) / (depth + math.log2(mass + 1))
            return 1 / (depth + 1)
        points = below(forest, tree, child).astype(np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        old = (high - low).sum()
        new = (np.maximum(high, row) - np.minimum(low, row)).sum()
        node = forest.nodes[forest.node_starts[tree] + child]
        side = "left" if row[node["dimension"]] <= node["cut"] else "right"
        apart = (new - old) / new
        return apart / (depth + 1) + (1 - apart) * walk(int(node[side]), depth + 1)

    root = 0 if forest.node_starts[tree + 1] > forest.node_starts[tree] else ~0
    return math.log2(sample + 1) * walk(root, 0)


def slow_scores(forest: Forest, rows: np.ndarray) -> np.ndarray:
    padded = np.zeros((rows.shape[0], forest.leaves.shape[1]))
    padded[:, : rows.shape[1]] = rows.astype(np.float64) * forest.scale
    return np.array(
        [np.mean([score_in_tree(forest, t, row) for t in range(forest.trees)]) for row in padded]
    )


SAMPLES = {
    "plane": [(0.0, 0.0), (1.0, 0.5), (0.25, 2.0)],
    "corner": [(0.0, 0.0), (4.0, 0.0), (0.0, 1.0), (4.0, 1.0)],
    "line": [(0.0,), (1.0,), (3.0,), (10.0,)],
    "space": [(0.0, 0.0, 1.0), (1.0, 2.0, 0.0), (2.0, 1.0, 1.5)],
    "copies": [(0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (2.0, 1.0), (1.0, 3.0)],
    "constant column": [(1.0, 7.0), (2.0, 7.0), (4.0, 7.0)],
    "one": [(1.0, 2.0)],
}
QUERIES = [(0.0, 0.0, 0.0), (0.5, 0.75, 0.5), (5.0, -3.0, 2.0), (1.0, 2.0, 0.0)]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_mean_score_is_the_published_expectation(name):
    """Over 10,000 trees the score approaches the exact mean over all random cut trees."""
    sample = SAMPLES[name]
    width, trees = len(sample[0]), 10_000
    forest = grow_forest(np.tile(np.array(sample, np.float32), (trees, 1)), trees, seed=3)
    queries = [query[:width] for query in QUERIES] + [sample[0]]
    found = forest.score(np.array(queries, np.float32))
    expected = [expected_score(sample, query) for query in queries]
    # A score in one tree deviates by less than 0.5: five standard errors.
    np.testing.assert_allclose(found, expected, atol=5 * 0.5 / math.sqrt(trees))


@pytest.fixture(params=native.variants())
def instruction_set(request, monkeypatch):
    """The kernel as compiled for each instruction set that this machine has."""
    monkeypatch.setattr(native, "variants", lambda: (request.param,))
    caches = (native.load_kernel, kernel._kernel)
    for cached in caches:
        cached.cache_clear()
    yield request.param
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("width", [1, 3, 7, 8, 9, 16, 21, 40])
def test_scores_are_those_of_the_walk_from_root_to_leaf(width):
    generator = np.random.default_rng(width)
    sample = generator.normal(size=(5 * 40, width)).astype(np.float32)
    sample[::3] = np.round(sample[::3])
    forest = grow_forest(sample, 5, seed=1)
    far = generator.normal(size=(70, width)) * 2
    rows = np.concatenate([far, sample[:10]]).astype(np.float32)
    np.testing.assert_allclose(forest.score(rows), slow_scores(forest, rows), rtol=2e-5)


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("difference", [1e-30, 1.1754944e-38, 1e-44])
def test_rows_that_hardly_differ_beside_larger_values_are_told_apart(difference):
    sample = np.ones((2, 5), np.float32)
    sample[:, 0] = 0.0, difference
    _, masses = rows_of(0, grow_forest(sample, 1, seed=5))
    assert masses.tolist() == [1, 1]


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    width=st.integers(1, 9),
    trees=st.integers(1, 3),
    per_tree=st.integers(1, 12),
)
def test_any_finite_rows_make_trees_that_hold_them(data, width, trees, per_tree):
    shape = (trees * per_tree, width)
    sample = data.draw(arrays.arrays(np.float32, shape, elements=NUMBERS))
    forest = grow_forest(sample, trees, seed=5)
    for tree in range(trees):
        leaves, masses = rows_of(tree, forest)
        rows, counts = np.unique(
            sample[tree * per_tree : (tree + 1) * per_tree] * np.float32(forest.scale) + 0.0,
            axis=0,
            return_counts=True,
        )
        order = np.lexsort(leaves[:, :width].T[::-1])
        np.testing.assert_array_equal(leaves[order, :width], rows)
        np.testing.assert_array_equal(masses[order], counts)
        assert_boxes_are_tight_and_cut(forest, tree)
    rows = data.draw(arrays.arrays(np.float32, (4, width), elements=NUMBERS))
    scores = forest.score(np.concatenate([rows, sample[:3]]))
    assert np.isfinite(scores).all()
    assert (scores > 0).all()
    assert (scores <= math.log2(per_tree + 1) + 1e-5).all()


def assert_boxes_are_tight_and_cut(forest: Forest, tree: int) -> None:
    first, end = forest.node_starts[tree : tree + 2]
    for number in range(end - first):
        node, (low, high) = forest.nodes[first + number], forest.boxes[first + number]
        leaves = below(forest, tree, number)
        np.testing.assert_array_equal(low, leaves.min(axis=0))
        np.testing.assert_array_equal(high, leaves.max(axis=0))
        assert (below(forest, tree, node["left"])[:, node["dimension"]] <= node["cut"]).all()
        assert (below(forest, tree, node["right"])[:, node["dimension"]] > node["cut"]).all()


@pytest.mark.parametrize("factor", [1e30, 3e37, 1e-30])
def test_huge_and_tiny_values_score_as_others_do(factor):
    rows = np.random.default_rng(0).uniform(-1, 1, (400, 12)).astype(np.float32)
    rows[7] = 10.0
    plain = grow_forest(rows, 10, seed=0).score(rows)
    power = np.float32(2.0 ** round(math.log2(factor)))
    scaled = grow_forest(rows * power, 10, seed=0)
    np.testing.assert_allclose(scaled.score(rows * power), plain, rtol=1e-5)
    assert plain.argmax() == 7


def test_a_row_far_beyond_float_range_of_the_sample_is_an_outlier_in_every_tree():
    sample = np.random.default_rng(0).normal(size=(320, 3)).astype(np.float32)
    forest = grow_forest(sample, 10, seed=0)
    rows = np.array([[3e38, -3e38, 3e38], [1e30, 0, 0]], np.float32)
    np.testing.assert_allclose(forest.score(rows), math.log2(33), rtol=1e-6)


def test_equal_rows_are_one_leaf_and_normal():
    sample = np.full((1000, 5), 4.25, np.float32)
    forest = grow_forest(sample, 10, seed=0)
    assert forest.nodes.shape == (0,)
    assert forest.masses.tolist() == [100] * 10
    same, other = forest.score(np.array([[4.25] * 5, [4.25, 4.25, 4.25, 4.25, 5]], np.float32))
    assert same == pytest.approx(0.5)  # (1 - m / 2m) / log2(m + 1) * log2(m + 1)
    assert other == pytest.approx(math.log2(101))


def test_trees_of_one_row_know_that_row_only():
    sample = np.arange(8, dtype=np.float32).reshape(4, 2)
    forest = grow_forest(sample, 4, seed=0)
    # Seen in one tree of four: 1/2; unseen: 1.
    assert forest.score(sample).tolist() == pytest.approx([0.875] * 4)


def test_threads_and_blocks_change_nothing(monkeypatch):
    rows = np.random.default_rng(2).normal(size=(3000, 6)).astype(np.float32)
    forest = grow_forest(rows, 20, seed=4)
    expected = forest.score(rows)
    other = grow_forest(rows, 20, seed=4, threads=3)
    np.testing.assert_array_equal(other.boxes, forest.boxes)
    folder = "sagebrush.algorithms.random_cut_forest.forest"
    monkeypatch.setattr(f"{folder}.BLOCK_VALUES", 0)
    monkeypatch.setattr(f"{folder}.MIN_BLOCK_ROWS", 41)
    np.testing.assert_array_equal(other.score(rows, threads=3), expected)
    np.testing.assert_array_equal([other.score(row[None])[0] for row in rows[:50]], expected[:50])
    assert (grow_forest(rows, 20, seed=5).score(rows) != expected).any()


def test_what_sklearn_calls_an_outlier_scores_high():
    """Ranks agree with IsolationForest's on planted outliers, and the planted ones come first."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(1)
    rows = generator.normal(size=(3000, 5)).astype(np.float32)
    rows[:60] *= 3
    planted = np.arange(3000) < 60
    scores = grow_forest(rows[generator.permutation(3000)], 50, seed=0).score(rows)
    peer = -IsolationForest(random_state=0).fit(rows).score_samples(rows)
    assert roc_auc_score(planted, scores) > roc_auc_score(planted, peer) - 0.01
    assert np.corrcoef(scores.argsort().argsort(), peer.argsort().argsort())[0, 1] > 0.85


def test_a_stop_leaves_a_forest_of_fewer_trees(monkeypatch):
    monkeypatch.setattr("sagebrush.algorithms.random_cut_forest.forest.STOP_GRACE_S", -1.0)
    rows = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    forest = grow_forest(rows, 40, seed=0, stop_requested=lambda: True)
    assert forest.trees == 1
    whole = grow_forest(rows[:10], 1, seed=0)
    np.testing.assert_array_equal(forest.score(rows), whole.score(rows))
