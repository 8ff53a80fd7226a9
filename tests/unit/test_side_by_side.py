"""The machinery of `make bench-algorithms`: what is measured, what is skipped, who wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.side_by_side import running
from benchmarks.side_by_side.figures import Store, key_of, source_of
from benchmarks.side_by_side.judgement import MISS, OPEN, PASS, Results, judge
from benchmarks.side_by_side.report import plot, summary, table
from benchmarks.side_by_side.running import Selection, folders, measure, tasks_of
from benchmarks.side_by_side.task import Contender, Faster, NoWorse, Quality, Reaches, Task

ALL = [pytest.param(task, id=task.name) for folder in folders() for task in tasks_of(folder)]
EVERYTHING = Selection()


def never(*_: Any) -> Any:
    raise AssertionError("nothing is fitted here")


def task_of(*targets: Any, **settings: Any) -> Task:
    contenders = (
        Contender("ours", never, ours=True),
        Contender("quick", never),
        Contender("good", never),
    )
    defaults: dict[str, Any] = {
        "name": "t",
        "summary": "rows",
        "data": never,
        "numbers_per_row": 2,
        "sizes": (10, 100, 1000),
        "quality_rows": 100,
        "quality": Quality("error", higher_is_better=False),
        "score": never,
        "contenders": contenders,
        "targets": targets,
    }
    return Task(**(defaults | settings))


def results_of(task: Task, path: Path, **measured: tuple[list[float], float]) -> Results:
    """Qualities by seed on the middle size and seconds on the largest, by contender."""
    store = Store.open(path / "figures.json")
    for name, (qualities, seconds) in measured.items():
        for seed, quality in enumerate(qualities, start=1):
            store.measurements[key_of("t", name, 100, seed)] = figure(1.0, quality)
        store.measurements[key_of("t", name, 1000, 1)] = figure(seconds, qualities[0])
    return Results(task, store, EVERYTHING)


def figure(seconds: float, quality: float) -> dict[str, float]:
    memory = {"peak_mb": 50.0, "extra_mb": 5.0}
    return {"seconds": seconds, "cpu_s": seconds, "quality": quality, **memory}


@pytest.mark.parametrize("folder", folders())
def test_an_algorithm_grows_to_ten_million_numbers(folder: str) -> None:
    """Over four sizes in one task at least; others are anchors at one size, or real data."""
    largest = [
        task.sizes[-1] * task.numbers_per_row for task in tasks_of(folder) if len(task.sizes) >= 4
    ]
    assert max(largest, default=0) >= 10_000_000


@pytest.mark.parametrize("task", ALL)
def test_a_task_compares_quality_on_one_of_its_sizes(task: Task) -> None:
    assert task.quality_rows in task.sizes
    assert task.peers


def test_names_of_tasks_are_their_own() -> None:
    names = [task.name for folder in folders() for task in tasks_of(folder)]
    assert len(set(names)) == len(names)


def test_a_task_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="ours first"):
        task_of(contenders=(Contender("peer", never),))
    with pytest.raises(ValueError, match="sizes must grow"):
        task_of(sizes=(100, 10))
    with pytest.raises(ValueError, match="'nobody', which is no contender"):
        task_of(Faster(2.0, than="nobody"))


def test_the_rival_is_the_fastest_that_is_as_good(tmp_path: Path) -> None:
    task = task_of(NoWorse(), Faster(2.0), Faster(2.0, than="quick"), Reaches(1.2))
    noisy = [1.0, 1.2, 0.9, 1.1, 1.0]
    results = results_of(
        task,
        tmp_path,
        ours=(noisy, 1.0),
        quick=([each + 5 for each in noisy], 0.1),
        good=([each - 0.01 * (-1) ** at for at, each in enumerate(noisy)], 3.0),
    )
    verdicts = judge(results)
    assert [each.verdict for each in verdicts] == [PASS, PASS, MISS, PASS]
    assert verdicts[1].target == "2x faster than good"
    assert verdicts[1].detail.startswith("3.00x at 1,000 rows")
    printed = table(results)
    assert "quick" in printed
    assert "error 1.04 ± 0.11" in printed
    assert summary(results)["targets"][2]["verdict"] == "MISS"
    plot([results], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_worse_beyond_the_noise_is_a_miss(tmp_path: Path) -> None:
    truth = [1.0, 2.0, 3.0, 4.0, 5.0]
    measured = {
        "quick": ([9.0] * 5, 1.0),
        "good": (truth, 1.0),
        # The seeds differ much more than the contenders, which are compared seed by seed.
        "ours": ([each * 1.02 for each in truth], 1.0),
    }
    for tolerance, verdict in ((0.0, MISS), (0.03, PASS)):
        quality = Quality("error", higher_is_better=False, tolerance=tolerance)
        results = results_of(task_of(NoWorse(), quality=quality), tmp_path, **measured)
        assert [each.verdict for each in judge(results)] == [verdict]


def test_a_peer_over_its_limit_is_beaten_by_what_is_known(tmp_path: Path) -> None:
    results = results_of(
        task_of(Faster(2.0), Faster(100.0)),
        tmp_path,
        ours=([1.0] * 5, 10.0),
        good=([1.0] * 5, 0.0),
        quick=([9.0] * 5, 0.0),
    )
    results.store.measurements[key_of("t", "good", 1000, 1)] = {"over_limit_s": 120.0}
    verdicts = judge(results)
    assert [each.verdict for each in verdicts] == [PASS, OPEN]
    assert verdicts[0].detail.startswith("more than 12.00x")
    assert "> 120 s" in table(results)


def test_a_run_goes_on_where_it_was_and_skips_the_hopeless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, int]] = []

    def measured(_: str, __: Task, contender: Contender, rows: int, seed: int) -> dict[str, Any]:
        asked.append((contender.name, rows, seed))
        if contender.name == "quick" and rows == 100:
            return {"over_limit_s": 120.0}
        return {"error": "boom"} if contender.name == "good" and rows == 10 else figure(1.0, 1.0)

    monkeypatch.setattr(running, "_measured", measured)
    store = Store.open(tmp_path / "figures.json")
    measure("kmeans", task_of(seeds=2), store, EVERYTHING)
    assert [each for each in asked if each[0] == "quick"] == [("quick", 10, 1), ("quick", 100, 1)]
    assert len([each for each in asked if each[0] == "ours"]) == 4
    asked.clear()
    measure("kmeans", task_of(seeds=2), Store.open(tmp_path / "figures.json"), EVERYTHING)
    assert asked == [("good", 10, 1)]
    kept = json.loads((tmp_path / "figures.json").read_text())["measurements"]
    assert kept[key_of("t", "quick", 1000, 1)]["over_limit_s"] == 120.0
    assert kept[key_of("t", "ours", 10, 1)]["source"] == source_of("kmeans", ours=True)


def test_a_measurement_is_a_process_of_its_own() -> None:
    task = next(task for task in tasks_of("kmeans") if task.name == "kmeans-digits")
    found = running._measured("kmeans", task, task.contenders[0], 1400, 1)
    assert 0 < found["seconds"] < 30
    assert found["peak_mb"] > 20
    assert found["extra_mb"] < found["peak_mb"]
    # The mean of the pixels' variances is 1202; ten clusters leave about half.
    assert 500 < found["quality"] < 900


def test_a_run_beyond_its_limit_is_ended() -> None:
    task = next(task for task in tasks_of("kmeans") if task.name == "kmeans-digits")
    limited = Task(**{**task.__dict__, "limit_s": 1e-4})
    assert running._measured("kmeans", limited, task.contenders[0], 1400, 1) == {
        "over_limit_s": 1e-4
    }
