"""BORE asks its classifier about all candidates at once instead of about one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

VERSIONS = {"syne-tune": "0.16.", "xgboost": "3."}
_MOST_TRIES = 10_000


def replacements() -> list[tuple[Any, str, Any]]:
    """Return what is replaced: owner, name and replacement."""
    from syne_tune.optimizer.schedulers.searchers.bore.bore import Bore

    own_way = Bore.suggest

    def suggest(searcher: Any, **named: Any) -> Any:
        plain = searcher.acq_optimizer == "rs" and searcher.classifier == "xgboost"
        return _suggest(searcher) if plain else own_way(searcher, **named)

    return [(Bore, "suggest", suggest)]


def _suggest(searcher: Any) -> dict[str, Any]:
    configuration: dict[str, Any] | None = searcher._next_points_to_evaluate()
    if configuration is not None:
        return configuration
    at_random = (
        len(searcher.inputs) < searcher.init_random
        or searcher.random_state.rand() < searcher.random_prob
        or not searcher._train_model(searcher.inputs, searcher.targets)
    )
    if at_random:
        drawn: dict[str, Any] = searcher._get_random_config()
        return drawn
    candidates = _different(searcher)
    rows = np.array([searcher._hp_ranges.to_ndarray(each) for each in candidates])
    return candidates[int(np.argmin(searcher._loss(rows)))]


def _different(searcher: Any) -> list[dict[str, Any]]:
    candidates: list[dict[str, Any]] = []
    seen = set()
    tries = 0
    while len(candidates) < searcher.feval_acq and tries < _MOST_TRIES:
        drawn = searcher._get_random_config()
        tries += 1
        if tuple(drawn.values()) not in seen:
            tries = 0
            seen.add(tuple(drawn.values()))
            candidates.append(drawn)
    return candidates
