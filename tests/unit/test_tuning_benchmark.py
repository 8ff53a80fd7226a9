"""What `make bench-tuning` measures with: problems, figures that are kept, ranks and verdicts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from benchmarks.tuning import campaign, judgement, problems, rivals
from benchmarks.tuning.campaign import RACE, Measurement, Plan, Store, source_of
from benchmarks.tuning.contenders import OURS, RANDOM
from benchmarks.tuning.page import page, tables
from benchmarks.tuning.race import PROBLEMS, race
from benchmarks.tuning.ranking import Curves, curves_of, standing

# Surjanovic and Bingham, Virtual Library of Simulation Experiments: where the minima are.
MINIMISERS = {
    "Branin": [np.pi, 2.275],
    "Hartmann-3": [0.114614, 0.555649, 0.852547],
    "Hartmann-6": [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573],
    "Ackley-5": [0.60, 0.35, 0.55, 0.42, 0.70],
    "Ackley-10": [0.60, 0.35, 0.55, 0.42, 0.70] * 2,
    "Rosenbrock-5": [1.0] * 5,
}


@pytest.mark.parametrize("name", MINIMISERS)
def test_the_minima_are_where_the_literature_has_them(name: str) -> None:
    problem = PROBLEMS[name]
    place = dict(zip((p.name for p in problem.space.parameters), MINIMISERS[name], strict=True))
    assert problem.evaluate(place) == pytest.approx(problem.minimum, abs=1e-5)
    assert problem.minimum is not None
    nearby = {key: value + 0.01 for key, value in place.items()}
    assert problem.evaluate(nearby) > problem.minimum


def test_mixed_hartmann_reaches_the_minimum_of_hartmann() -> None:
    place = {"rate": 10 ** (5 * 0.20169 - 5), "units": 3, "kind": "b"}
    place |= {"x": 0.275332, "y": 0.311652, "z": 0.6573}
    found = PROBLEMS["Hartmann-6 mixed"].evaluate(place)
    assert found == pytest.approx(-3.32237, abs=1e-4)


def test_a_race_tells_the_true_value_of_the_best_observed() -> None:
    noisy = PROBLEMS["Branin noisy"]
    figure = race(noisy, RANDOM, 3, 1)
    assert len(figure["best"]) == noisy.evaluations
    assert min(figure["best"]) >= 0.397887
    quiet = race(PROBLEMS["Branin"], RANDOM, 1, 1)["best"]
    assert quiet == sorted(quiet, reverse=True)
    assert race(noisy, RANDOM, 3, 1)["best"] == figure["best"]


def curves(ranks: list[list[float]]) -> Curves:
    regrets = np.repeat(np.array(ranks)[..., None], 20, axis=2)
    return Curves("Branin", 1, (OURS, RANDOM), tuple(range(len(ranks[0]))), regrets)


def test_ranks_say_who_is_ahead_and_whether_it_is_sure() -> None:
    sure = standing([curves([[1.0] * 9, [2.0] * 9])], OURS, [20])
    np.testing.assert_array_equal(sure.ranks, [1.0, 2.0])
    np.testing.assert_array_equal(sure.behind, [[0.0, 0.0], [1.0, 1.0]])
    unsure = standing([curves([[1, 3, 1, 3, 1], [2, 2, 2, 2, 2]])], OURS, [20])
    low, high = unsure.behind[1]
    assert low < 0 < high
    tied = standing([curves([[1.0] * 4, [1.0] * 4])], OURS, [20])
    np.testing.assert_array_equal(tied.ranks, [1.5, 1.5])


def filled(tmp_path, best: dict[str, float], seeds: int = 5) -> tuple[Plan, Store]:
    plan = Plan(("Branin",), (OURS, RANDOM), seeds, (1, 4))
    store = Store.open(tmp_path / "figures.jsonl")
    for each in plan.measurements():
        if each.kind == RACE:
            figure = {"best": [best[each.contender]] * 100, "source": source_of(each)}
            store.keep(each, figure)
    return plan, store


def verdicts(plan: Plan, store: Store) -> dict[str, str]:
    return {each.target: each.verdict for each in judgement.judge(plan, store)}


def test_verdicts_follow_the_figures(tmp_path) -> None:
    ahead = verdicts(*filled(tmp_path / "a", {OURS: 0.397888, RANDOM: 0.5}))
    assert ahead["mean rank first or tied for first on functions, 1 at once"] == "PASS"
    assert ahead["mean rank strictly first on functions, 4 at once"] == "PASS"
    assert ahead["median regret on Branin after 40 at most 3e-05"] == "PASS"
    assert ahead["mean rank strictly first on real trainings, 4 at once"] == "OPEN"
    tied = verdicts(*filled(tmp_path / "t", {OURS: 0.5, RANDOM: 0.5}))
    assert tied["mean rank first or tied for first on functions, 1 at once"] == "PASS"
    assert tied["mean rank strictly first on functions, 4 at once"] == "MISS"
    behind = verdicts(*filled(tmp_path / "b", {OURS: 0.6, RANDOM: 0.5}))
    assert behind["mean rank first or tied for first on functions, 1 at once"] == "MISS"
    assert behind["median regret on Branin after 40 at most 3e-05"] == "MISS"


def test_few_seeds_prove_nothing(tmp_path) -> None:
    few = verdicts(*filled(tmp_path, {OURS: 0.4, RANDOM: 0.5}, seeds=4))
    assert few["mean rank strictly first on functions, 4 at once"] == "OPEN"


def test_a_rival_is_judged_by_every_seed_that_it_shares_with_ours(tmp_path) -> None:
    plan, store = filled(tmp_path, {OURS: 0.4, RANDOM: 0.5})
    late = Plan(plan.problems, ("Optuna TPE", OURS), 9, (4,))
    for each in late.measurements():
        if each.kind == RACE:
            ahead = 0.45 if each.contender != OURS else 0.4
            store.keep(each, {"best": [ahead] * 100, "source": source_of(each)})
    plan = Plan(plan.problems, (OURS, RANDOM, "Optuna TPE", "Optuna GP"), 5, (4,))
    found = judgement.duels(plan, store, False, 4)
    assert {each.rival: each.least_seeds for each in found} == {RANDOM: 5, "Optuna TPE": 9}
    assert [each.ranks for each in found] == [(1.0, 2.0)] * 2
    assert verdicts(plan, store)["mean rank strictly first on functions, 4 at once"] == "PASS"
    one = Measurement(RACE, "Optuna GP", 1, "Branin", 4)
    store.keep(one, {"best": [0.39789] * 100, "source": source_of(one)})
    # A single seed of a better rival proves nothing; five of it do.
    assert verdicts(plan, store)["mean rank strictly first on functions, 4 at once"] == "PASS"
    for seed in range(2, 6):
        more = Measurement(RACE, "Optuna GP", seed, "Branin", 4)
        store.keep(more, {"best": [0.39789] * 100, "source": source_of(more)})
    assert verdicts(plan, store)["mean rank strictly first on functions, 4 at once"] == "MISS"


def test_figures_are_kept_and_go_stale_with_the_code(tmp_path, monkeypatch) -> None:
    _, store = filled(tmp_path, {OURS: 0.4, RANDOM: 0.5})
    again = Store.open(store.path)
    assert again.figures == store.figures
    measurement = Measurement(RACE, OURS, 1, "Branin", 1)
    assert again.figure(measurement) is not None
    monkeypatch.setattr(campaign, "source_of", lambda _: "another")
    assert again.figure(measurement) is None


def test_rivals_races_are_kept_value_by_value_and_ours_are_not(tmp_path) -> None:
    plan, store = filled(tmp_path, {OURS: 0.4, RANDOM: 0.5})
    falling = Measurement(RACE, RANDOM, 1, "Branin", 4)
    values = [3.0, 3.0, 2.5, 1.0, 1.0, 1.0]
    store.keep(falling, {"best": values, "source": source_of(falling)})
    failed = Measurement(RACE, RANDOM, 2, "Branin", 4)
    store.keep(failed, {"error": "no", "source": source_of(failed)})
    assert rivals.keep(store, tmp_path / "kept.gz") == 9
    again = rivals.kept(tmp_path / "kept.gz")
    assert {key.split(" | ")[1] for key in again} == {RANDOM}
    assert again[falling.key] == {"best": values, "source": source_of(falling)}
    assert failed.key not in again
    others = [each for each in plan.measurements() if each.contender == RANDOM and each.seed > 2]
    assert all(again[each.key] == store.figures[each.key] for each in others if each.kind == RACE)


def test_races_in_the_repository_are_true_of_the_code() -> None:
    """Where races changed: measure the rivals again and keep them (--afresh --keep)."""
    store = Store(Path(), rivals.kept())
    known = Plan(seeds=store.last_seed).measurements()
    found = [each for each in known if store.figure(each) is not None]
    assert found
    assert len(found) == len(store.figures)
    assert OURS not in {each.contender for each in found}


def test_figures_depend_on_everything_that_the_search_is_made_of() -> None:
    wanted = {"bayesian"}
    while True:
        sources = [(campaign._LIBRARY / f"{each}.py").read_text("utf-8") for each in wanted]
        found = set(
            re.findall(r"^from sagebrush\.tuning\.(\w+) import", "".join(sources), re.MULTILINE)
        )
        if found <= wanted:
            break
        wanted |= found
    assert wanted == set(campaign._BAYESIAN)


def test_only_seeds_that_everybody_ran_count(tmp_path) -> None:
    plan, store = filled(tmp_path, {OURS: 0.4, RANDOM: 0.5})
    del store.figures[Measurement(RACE, RANDOM, 2, "Branin", 1).key]
    found = curves_of(plan, store, "Branin", 1)
    assert found is not None
    assert found.seeds == (1, 3, 4, 5)


def test_a_failed_run_ranks_last(tmp_path) -> None:
    plan, store = filled(tmp_path, {OURS: 0.4, RANDOM: 0.5})
    failed = Measurement(RACE, OURS, 1, "Branin", 1)
    store.keep(failed, {"error": "it fell over", "source": source_of(failed)})
    found = curves_of(plan, store, "Branin", 1)
    assert found is not None
    assert found.at(100)[0, 0] == np.inf
    assert found.at(100)[1, 0] < np.inf


def test_the_page_needs_nothing_else_and_shows_every_table(tmp_path) -> None:
    plan, store = filled(tmp_path, {OURS: 0.4, RANDOM: 0.5})
    shown = page(plan, store)
    assert "<svg" in shown
    assert 'src="http' not in shown
    assert all(title.split(",")[0] in shown for title, _ in tables(plan, store))
    json.dumps(tables(plan, store))


def test_every_kind_of_problem_is_there() -> None:
    kinds = {each.kind for each in PROBLEMS.values()}
    assert kinds == {problems.SYNTHETIC, problems.NOISY, problems.MIXED, problems.REAL}
