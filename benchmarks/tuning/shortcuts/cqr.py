"""CQR's boosted quantiles: scikit-learn's own trees, built without an estimator around each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSIONS = {"scikit-learn": "1.9."}
_LEAF = -1


def replacements() -> list[tuple[Any, str, Any]]:
    """Return what is replaced: owner, name and replacement."""
    from sklearn.ensemble import GradientBoostingRegressor

    own_way = GradientBoostingRegressor._fit_stages

    def fit_stages(
        booster: Any,
        X: Any,
        y: Any,
        raw_predictions: Any,
        sample_weight: Any,
        random_state: Any,
        *rest: Any,
    ) -> int:
        if _is_plain(booster, X, y, sample_weight, rest):
            return _fit_stages(booster, X, y, raw_predictions[:, 0], sample_weight, random_state)
        given = (X, y, raw_predictions, sample_weight, random_state, *rest)
        return int(own_way(booster, *given))

    return [(GradientBoostingRegressor, "_fit_stages", fit_stages)]


def _is_plain(booster: Any, X: Any, y: Any, weight: Any, rest: tuple[Any, ...]) -> bool:
    """Return whether nothing is asked for but a quantile of every row, from the first stage on."""
    options = {
        "subsample": 1.0,
        "max_leaf_nodes": None,
        "ccp_alpha": 0.0,
        "min_weight_fraction_leaf": 0.0,
        "max_features": None,
        "verbose": 0,
    }
    whole = isinstance(booster.min_samples_leaf, int) and isinstance(booster.min_samples_split, int)
    return (
        booster.loss == "quantile"
        and not any(rest)
        and all(getattr(booster, name) == value for name, value in options.items())
        and whole
        and booster.max_depth is not None
        and isinstance(X, np.ndarray)
        and bool(np.all(weight == 1.0))
        and y.dtype == np.float64
        and not np.isnan(y).any()
    )


def _fit_stages(booster: Any, X: Any, y: Any, raw: Any, weight: Any, random_state: Any) -> int:
    from sklearn.tree import DecisionTreeRegressor
    from sklearn.tree._classes import (
        CRITERIA_REG,
        DENSE_SPLITTERS,
        DepthFirstTreeBuilder,
        Tree,
    )

    rows, width = X.shape
    leaf_least = booster.min_samples_leaf
    split_least = max(booster.min_samples_split, 2 * leaf_least)
    one_output = np.array([1], dtype=np.intp)
    loss = booster._loss.closs
    middles = _positions(100 * loss.quantile, rows)
    gradient = np.empty(rows)
    for stage in range(booster.n_estimators):
        loss.gradient(
            y_true=y, raw_prediction=raw, sample_weight=None, gradient_out=gradient, n_threads=1
        )
        tree = Tree(width, one_output, 1)
        criterion = CRITERIA_REG["squared_error"](1, rows)
        splitter = DENSE_SPLITTERS["best"](criterion, width, leaf_least, 0.0, random_state, None)
        limits = (split_least, leaf_least, 0.0, booster.max_depth, booster.min_impurity_decrease)
        builder = DepthFirstTreeBuilder(splitter, *limits)
        builder.build(tree, X, np.ascontiguousarray(-gradient.reshape(-1, 1)), weight, None)
        regions, values = tree.apply(X), tree.value[:, 0, 0]
        residuals = y - raw
        for leaf in np.flatnonzero(tree.children_left == _LEAF):
            inside = np.sort(residuals[regions == leaf])
            values[leaf] = inside[middles[len(inside)]]
        raw += booster.learning_rate * values[regions]
        # Predicting asks the first for its checks, all for their trees.
        kept: Any = SimpleNamespace() if stage else DecisionTreeRegressor()
        kept.tree_ = tree
        booster.estimators_[stage, 0] = kept
    first = booster.estimators_[0, 0]
    first.n_features_in_, first.n_outputs_, first.max_features_ = width, 1, width
    return int(booster.n_estimators)


def _positions(percentile: float, most: int) -> NDArray[np.intp]:
    """Return where in so many sorted values the percentile lies, for each number up to the most."""
    found = np.zeros(most + 1, dtype=np.intp)
    for count in range(1, most + 1):
        rank = np.float64(percentile) / 100 * np.float64(count)
        found[count] = min(np.searchsorted(np.arange(1.0, count + 1), rank), count - 1)
    return found
