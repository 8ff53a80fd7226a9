"""The kernel's gradient and optimiser, and the table of parameters."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.algorithms.factorization_machines.kernel import SEGMENT_ROWS
from sagebrush.algorithms.factorization_machines.settings import Settings
from sagebrush.algorithms.factorization_machines.trainer import Examples, Gradient, Trainer

FEATURES = 6


def examples_of(trainer: Trainer, rows: np.ndarray, labels: np.ndarray) -> Examples:
    """The nonzero values of dense rows."""
    present = rows != 0
    ends = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int64)
    columns = np.nonzero(present)[1].astype(np.int32)
    values = rows[present].astype(np.float32)
    return Examples(ends, trainer.slots(columns), values, labels.astype(np.float32))


def data(rows: int, seed: int = 0, features: int = FEATURES) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, features)) * (random.random((rows, features)) < 0.6)
    return values, (random.random(rows) < 0.5).astype(float)


def loss_by_definition(trainer: Trainer, rows: np.ndarray, labels: np.ndarray, at=None) -> float:
    """Half the squared error or the cross entropy, pair by pair as Rendle's paper defines it."""
    bias, linear, factors = weights_of(trainer) if at is None else at
    total = 0.0
    for x, label in zip(rows, labels, strict=True):
        score = bias + linear @ x
        for i, j in combinations(range(len(x)), 2):
            score += factors[i] @ factors[j] * x[i] * x[j]
        if trainer.settings.is_binary:
            total += np.logaddexp(0, score) - label * score
        else:
            total += (score - label) ** 2 / 2
    return total


def weights_of(trainer: Trainer) -> tuple[float, np.ndarray, np.ndarray]:
    found = trainer.parameters()
    linear = np.zeros(trainer.settings.feature_dim)
    factors = np.zeros((trainer.settings.feature_dim, trainer.settings.num_factors))
    linear[found.features], factors[found.features] = found.linear, found.factors
    return found.bias, linear, factors


@pytest.mark.parametrize("predictor_type", ["regressor", "binary_classifier"])
@pytest.mark.parametrize("factors", [3, 8])
def test_the_gradient_is_that_of_the_loss(predictor_type, factors):
    rows, labels = data(12)
    chosen = Settings(FEATURES, factors, predictor_type, factors_init_sigma=0.5)
    with Trainer(chosen, seed=1) as trainer:
        examples = examples_of(trainer, rows, labels)
        gradient, sums = trainer.gradient(examples, np.arange(12))
        bias, linear, v = weights_of(trainer)

        def slope(change) -> float:
            step = 1e-5
            up = loss_by_definition(trainer, rows, labels, change(step))
            down = loss_by_definition(trainer, rows, labels, change(-step))
            return (up - down) / (2 * step)

        by_bias = slope(lambda step: (bias + step, linear, v))
        assert gradient.bias == pytest.approx(by_bias, rel=1e-3, abs=1e-4)
        for feature, found in zip(gradient.features, gradient.sums, strict=True):
            unit = np.eye(FEATURES)[feature]
            by_linear = slope(lambda step, unit=unit: (bias, linear + step * unit, v))
            assert found[factors] == pytest.approx(by_linear, rel=1e-3, abs=1e-4)
            for f in range(factors):
                cell = np.outer(unit, np.eye(factors)[f])
                by_factor = slope(lambda step, cell=cell: (bias, linear, v + step * cell))
                assert found[f] == pytest.approx(by_factor, rel=1e-3, abs=1e-4)
        expected = loss_by_definition(trainer, rows, labels)
        share = 1.0 if trainer.settings.is_binary else 0.5
        assert sums[1] * share == pytest.approx(expected, rel=1e-4)


def test_steps_are_those_of_mxnets_lazy_adam():
    """Golden: mxnet 1.9.1, Adam(0.05, wd=0.02, clip_gradient=0.3, rescale_grad=0.5, epsilon=1e-3,
    lazy_update=True) on a row-sparse weight, after three row-sparse gradients.
    """
    chosen = Settings(
        4, 2, factors_lr=0.05, factors_wd=0.02, clip_gradient=0.3, rescale_grad=0.5, eps=1e-3
    )
    start = np.array([[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6], [0.7, -0.8]], np.float32)
    gradients = [
        ([0, 2], [[0.2, -0.9], [0.4, 0.1]]),
        ([1, 2], [[-2, 0.05], [0.3, -0.3]]),
        ([0, 1, 2], [[0.6, 0.2], [0.1, 0.1], [-0.7, 0.5]]),
    ]
    with Trainer(chosen, seed=0) as trainer:
        trainer.slots(np.arange(4, dtype=np.int32))
        trainer._segments[0].reshape(4, -1)[:, :2] = start
        for rows, values in gradients:
            sums = np.zeros((len(rows), 4), np.float32)
            sums[:, :2] = values
            trainer.step(Gradient(np.array(rows, np.int32), sums, 0.0), rows=100)
        found = trainer.parameters().factors
    golden = [
        [0.02592039, -0.1388226],
        [0.35389134, 0.35254458],
        [-0.58446276, 0.5658046],
        [0.7, -0.8],
    ]
    np.testing.assert_allclose(found, golden, atol=2e-6)


def test_groups_have_rates_and_decays_of_their_own():
    rows, labels = data(50)
    still = {"bias_lr": 0.0, "linear_lr": 0.0, "factors_lr": 0.0}
    for moving, place in (("bias", 0), ("linear", 1), ("factors", 2)):
        chosen = Settings(FEATURES, 3, **still | {f"{moving}_lr": 0.1}, factors_init_sigma=0.1)
        with Trainer(chosen, seed=0) as trainer:
            examples = examples_of(trainer, rows, labels)
            before = weights_of(trainer)
            trainer.train(examples, np.arange(50), 50)
            after = weights_of(trainer)
        for index in range(3):
            assert np.array_equal(before[index], after[index]) == (index != place)


@pytest.mark.parametrize("decaying", ["bias", "linear", "factors"])
def test_each_group_decays_by_its_own(decaying):
    groups = ("bias", "linear", "factors")
    chosen = {f"{group}_wd": 0.5 * (group == decaying) for group in groups}
    chosen |= {f"{group}_lr": 0.1 for group in groups}
    chosen |= {f"{group}_init_method": "constant" for group in groups}
    chosen |= {f"{group}_init_value": 1.0 for group in groups}
    with Trainer(Settings(FEATURES, 2, **chosen), seed=0) as trainer:
        nothing = Gradient(np.arange(3, dtype=np.int32), np.zeros((3, 4), np.float32), 0.0)
        trainer.step(nothing, 10)
        found = trainer.parameters()
    # Adam's first step has the length of the learning rate.
    expected = {group: 0.9 if group == decaying else 1.0 for group in groups}
    assert found.bias == pytest.approx(expected["bias"])
    np.testing.assert_allclose(found.linear, expected["linear"], rtol=1e-6)
    np.testing.assert_allclose(found.factors, expected["factors"], rtol=1e-6)


def test_a_step_follows_the_mean_gradient_of_its_mini_batch():
    rows, labels = data(20)
    chosen = Settings(FEATURES, 3, linear_lr=0.1, factors_lr=0.1, factors_init_sigma=0.3)
    with Trainer(chosen, seed=0) as whole, Trainer(chosen, seed=0) as split:
        examples = examples_of(whole, rows, labels)
        statistics = whole.train(examples, np.arange(20), 8)
        assert statistics[:, 0].tolist() == [8, 8, 4]
        same = examples_of(split, rows, labels)
        for first in (0, 8, 16):
            order = np.arange(20)[first : first + 8]
            gradient, sums = split.gradient(same, order)
            np.testing.assert_allclose(sums, statistics[first // 8], rtol=1e-5)
            split.step(gradient, len(order))
        for ours, theirs in zip(weights_of(whole), weights_of(split), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_does_not_change_a_bit(threads):
    rows, labels = data(400, features=60)
    order = np.random.default_rng(1).permutation(400)
    chosen = Settings(60, 16, factors_lr=0.05, linear_lr=0.05)
    found = []
    for count in (1, threads):
        with Trainer(chosen, seed=0, threads=count) as trainer:
            trainer._choice.next = lambda count=count: count
            examples = examples_of(trainer, rows, labels)
            statistics = trainer.train(examples, order, 100)
            found.append((statistics, trainer.parameters()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(30)), st.integers(1, 29))
def test_a_feature_starts_alike_whenever_it_first_occurs(order, cut):
    columns = np.array(order, np.int32)
    with Trainer(Settings(30, 4), seed=3) as once, Trainer(Settings(30, 4), seed=3) as parts:
        once.slots(np.arange(30, dtype=np.int32))
        first = parts.slots(columns[:cut])
        assert first.tolist() == list(range(cut))
        parts.slots(columns)
        assert parts.slots(columns[:cut]).tolist() == first.tolist()
        for ours, theirs in zip(once.parameters(), parts.parameters(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_table_of_many_segments_keeps_its_rows():
    count = 2 * SEGMENT_ROWS + 5
    columns = np.random.default_rng(0).permutation(10_000_000)[:count].astype(np.int32)
    with Trainer(Settings(10_000_000, 2), seed=0) as trainer:
        for part in np.array_split(columns, 7):
            trainer.slots(part)
        assert trainer.occurred == count
        found = trainer.parameters()
    np.testing.assert_array_equal(found.features, np.sort(columns))
    with Trainer(Settings(10_000_000, 2), seed=0) as again:
        again.slots(found.features[-3:])
        np.testing.assert_array_equal(again.parameters().factors, found.factors[-3:])


@pytest.mark.parametrize(
    ("method", "amount", "low", "high", "deviation"),
    [
        ("normal", {"sigma": 0.2}, -1.5, 1.5, 0.2),
        ("uniform", {"scale": 0.3}, -0.3, 0.3, 0.3 / 3**0.5),
        ("constant", {"value": 0.7}, 0.69, 0.71, 0.0),
    ],
)
def test_parameters_start_as_asked(method, amount, low, high, deviation):
    (name, value), *_ = amount.items()
    chosen = {}
    for group in ("linear", "factors", "bias"):
        chosen[f"{group}_init_method"] = method
        chosen[f"{group}_init_{name}"] = value
    with Trainer(Settings(5000, 4, **chosen), seed=0) as trainer:
        trainer.slots(np.arange(5000, dtype=np.int32))
        found = trainer.parameters()
    for values in (found.linear, found.factors):
        assert values.min() >= low
        assert values.max() <= high
        assert values.std() == pytest.approx(deviation, rel=0.05, abs=1e-6)
    assert found.factors.mean() == pytest.approx(amount.get("value", 0.0), abs=0.01)
    assert low <= found.bias <= high
    columns = found.factors.T
    if deviation:
        correlation = np.corrcoef(np.vstack([columns, found.linear, np.roll(columns[0], 1)]))
        assert abs(correlation - np.eye(6)).max() < 0.08


def test_what_is_switched_off_stays_zero():
    rows, labels = data(40)
    chosen = Settings(FEATURES, 2, use_bias=False, use_linear=False, factors_lr=0.1)
    with Trainer(chosen, seed=0) as trainer:
        trainer.train(examples_of(trainer, rows, labels), np.arange(40), 10)
        bias, linear, factors = weights_of(trainer)
    assert bias == 0.0
    assert not linear.any()
    assert factors.any()
