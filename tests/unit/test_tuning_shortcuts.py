"""Shortcuts of the tuner's rivals: they change how long a race takes, never what it finds."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.tuning import shortcuts
from benchmarks.tuning.shortcuts import CONTENDERS, cqr, taken
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.utils.stats import _weighted_percentile

KNOWN = all(shortcuts.version(name).startswith(known) for name, known in cqr.VERSIONS.items())
needs_known_versions = pytest.mark.skipif(
    not KNOWN, reason="scikit-learn is another version than the shortcut was written for"
)


def fitted(quantile: float, rows: int, **options: float) -> np.ndarray:
    random = np.random.RandomState(rows)
    X = random.rand(rows, 4).round(2)
    y = random.choice([0.0, 0.5, 1.0], rows) + X[:, 0]
    booster = GradientBoostingRegressor(
        loss="quantile", alpha=quantile, random_state=np.random.RandomState(7), **options
    )
    booster.fit(X, y)
    # What is drawn next shows whether as much was drawn before.
    return np.append(booster.predict(random.rand(50, 4)), booster._rng.rand())


@needs_known_versions
@pytest.mark.parametrize("rows", [2, 5, 31, 90])
@pytest.mark.parametrize("quantile", [0.17, 0.5, 0.83])
def test_boosted_quantiles_are_those_of_scikit_learn_to_the_last_bit(
    rows: int, quantile: float
) -> None:
    own = fitted(quantile, rows)
    with taken("syne-tune CQR") as shortcut:
        assert shortcut
        assert fitted(quantile, rows).tolist() == own.tolist()


@needs_known_versions
def test_what_a_shortcut_does_not_cover_goes_the_librarys_way() -> None:
    own = fitted(0.5, 40, subsample=0.5)
    with taken("syne-tune CQR"):
        assert fitted(0.5, 40, subsample=0.5).tolist() == own.tolist()


@pytest.mark.parametrize("percentile", [0.0, 16.7, 50.0, 99.9, 100.0])
def test_a_percentile_lies_where_scikit_learn_has_it(percentile: float) -> None:
    found = cqr._positions(percentile, 60)
    for count in range(1, 61):
        values = np.arange(float(count))
        assert _weighted_percentile(values, np.ones(count), percentile) == found[count]


def test_without_its_versions_there_is_no_shortcut(monkeypatch) -> None:
    before = GradientBoostingRegressor._fit_stages
    monkeypatch.setattr(cqr, "VERSIONS", {"scikit-learn": "0."})
    with taken("syne-tune CQR") as shortcut:
        assert not shortcut
        assert GradientBoostingRegressor._fit_stages is before


def test_a_shortcut_is_gone_after_the_race() -> None:
    before = GradientBoostingRegressor._fit_stages
    with taken("syne-tune CQR"):
        assert (GradientBoostingRegressor._fit_stages is not before) == KNOWN
    assert GradientBoostingRegressor._fit_stages is before


def test_ours_has_no_shortcut() -> None:
    assert "Sagebrush" not in CONTENDERS
    with taken("Sagebrush") as shortcut:
        assert not shortcut
