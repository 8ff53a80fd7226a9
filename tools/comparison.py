"""The page that sets the algorithms beside their peers, from what `make bench-algorithms` measured.

`python tools/comparison.py out/bench-algorithms.json` takes the figures worth keeping into
`docs/algorithm-figures.json`; `make docs` writes the page and README's rows from there.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEPT = Path(__file__).resolve().parents[1] / "docs" / "algorithm-figures.json"
_DIGITS = 4
_PEERS_SHOWN = 2


def main() -> None:
    """Keep the figures of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", type=Path, help="what `make bench-algorithms` wrote")
    parser.add_argument("--remark", default="", help="what a reader must know of the run")
    parsed = parser.parse_args()
    kept = condensed(json.loads(parsed.json.read_text("utf-8"))) | {"remark": parsed.remark}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def condensed(measured: dict[str, Any]) -> dict[str, Any]:
    """Return each task's contenders at its largest size, and the verdicts."""
    tasks = {
        name: _task(name, task, measured["measurements"])
        for name, task in measured["tasks"].items()
        if any(key.startswith(f"{name} | ") for key in measured["measurements"])
    }
    return {"machine": measured["machine"], "cpus": measured["cpus"], "tasks": tasks}


def _task(name: str, task: dict[str, Any], measurements: dict[str, Any]) -> dict[str, Any]:
    largest = max(task["sizes"])
    contenders = {}
    for contender, told in task["contenders"].items():
        figure = measurements.get(f"{name} | {contender} | {largest} | 1", {})
        values = list(told["qualities"].values())
        contenders[contender] = {
            "quality": statistics.fmean(values) if values else None,
            "noise": statistics.stdev(values) if len(values) > 1 else None,
            "growth": told["growth_exponent"],
            **{
                member: figure[member]
                for member in ("seconds", "cpu_s", "peak_mb", "over_limit_s")
                if member in figure
            },
        }
    return {
        "summary": task["summary"],
        "rows": largest,
        "numbers": largest * task["numbers_per_row"],
        "quality_rows": task["quality_rows"],
        "quality": task["quality"]["name"],
        "higher_is_better": task["quality"]["higher_is_better"],
        "contenders": contenders,
        "targets": task["targets"],
    }


def page(kept: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    system = str(kept["machine"]).partition("-")[0]
    parts = [
        "# The algorithms beside their peers\n",
        "Each algorithm and what a user would pick instead, on the same data, each in a process of",
        "its own with two threads. Time, CPU time and peak memory (with the data) are those of the",
        "largest size; quality is the mean over the seeds with its standard deviation, on the rows",
        "said. `time ~ rows^` is how time grows over four sizes. A peer that took longer than its",
        "limit is marked `>`. Take them again with `make bench-algorithms` (hours; with `QUICK=1`",
        "minutes).\n",
        f"Measured on {system} with {kept['cpus']} CPUs. {kept.get('remark', '')}".strip() + "\n",
    ]
    for name, task in kept["tasks"].items():
        parts += _section(name, task)
    return "\n".join(parts)


def _section(name: str, task: dict[str, Any]) -> Iterator[str]:
    better = "higher" if task["higher_is_better"] else "lower"
    yield f"## {name}\n"
    yield (
        f"{task['summary'][:1].upper()}{task['summary'][1:]}. {task['rows']:,} rows,"
        f" {task['numbers'] / 1e6:.3g} million numbers; {task['quality']} ({better} is better) on"
        f" {task['quality_rows']:,} rows.\n"
    )
    yield "| | time | CPU | peak | time ~ rows^ | quality |\n| --- | --- | --- | --- | --- | --- |"
    for contender, figure in task["contenders"].items():
        yield f"| {contender} | {' | '.join(_cells(figure))} |"
    yield ""
    for target in task["targets"]:
        yield f"- {target['verdict']}: {target['target']} ({target['detail']})"
    yield ""


def _cells(figure: dict[str, Any]) -> list[str]:
    growth = figure["growth"]
    shown = [_time(figure)]
    shown.append(f"{figure['cpu_s']:.2f} s" if "cpu_s" in figure else "")
    shown.append(f"{figure['peak_mb']:.0f} MB" if "peak_mb" in figure else "")
    shown.append("" if growth is None else f"{growth:.2f}")
    return [*shown, _quality(figure)]


def _time(figure: dict[str, Any]) -> str:
    if "seconds" in figure:
        return f"{figure['seconds']:.2f} s"
    return f"> {figure['over_limit_s']:g} s" if "over_limit_s" in figure else "not tried"


def _quality(figure: dict[str, Any]) -> str:
    if figure["quality"] is None:
        return ""
    noise = f" ± {figure['noise']:.2g}" if figure["noise"] is not None else ""
    return f"{figure['quality']:.{_DIGITS}g}{noise}"


def rows(kept: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield README's rows: the tasks with a target for speed, beside two peers.

    Those that the target names come first, then the fastest.
    """
    for name, task in kept["tasks"].items():
        ours, *others = task["contenders"].items()
        wanted = " ".join(
            target["target"] for target in task["targets"] if "2x faster" in target["target"]
        )
        timed = [
            (peer, each)
            for peer, each in others
            if "seconds" in each and not peer.startswith("sagebrush")
        ]
        if not wanted or "seconds" not in ours[1]:
            continue
        timed.sort(key=lambda each: (f"than {each[0]}" not in wanted, each[1]["seconds"]))
        shown = timed[:_PEERS_SHOWN]
        peers = "; ".join(
            f"{peer} {_time(figure)}, {_quality(figure)}"
            f" (**{figure['seconds'] / ours[1]['seconds']:.1f}×**)"
            for peer, figure in shown
        )
        title = f"{name}, {task['rows']:,} rows: time, {task['quality']}"
        yield title, f"{_time(ours[1])}, {_quality(ours[1])}", peers


if __name__ == "__main__":
    main()
