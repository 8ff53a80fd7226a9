"""The figures for people: a printed table for each task, and a plot."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.figures import Figure
from benchmarks.side_by_side.judgement import Results, judge


def table(results: Results) -> str:
    """Return what a task's contenders took and reached, and a line for each target."""
    task, sizes = results.task, results.selection.sizes(results.task)
    ours = results.figure(task.contenders[0].name, sizes[-1])
    rows = [_HEAD, *(_row(results, each.name, ours) for each in task.contenders)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "   " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    numbers = sizes[-1] * task.numbers_per_row
    title = f"{task.name}: {task.summary}; {sizes[-1]:,} rows, {numbers / 1e6:.3g} million numbers"
    verdicts = [f"   {each.verdict}  {each.target}: {each.detail}" for each in judge(results)]
    return "\n".join([title, *(line.rstrip() for line in lines), *verdicts, ""])


_HEAD = ("contender", "time", "ratio", "CPU", "peak", "extra", "time ~ rows^", "quality")


def _row(results: Results, name: str, ours: Figure) -> tuple[str, ...]:
    figure = results.figure(name, results.selection.sizes(results.task)[-1])
    growth = results.growth(name)
    exponent = "" if growth is None else f"{growth:.2f}"
    quality = _quality(results, name)
    if "seconds" not in figure:
        missing = f"> {figure['over_limit_s']:g} s" if "over_limit_s" in figure else "-"
        return name, "failed" if "error" in figure else missing, "", "", "", "", exponent, quality
    ratio = f"{figure['seconds'] / ours['seconds']:.2f}x" if "seconds" in ours else ""
    return (
        name,
        f"{figure['seconds']:.3f} s",
        ratio,
        f"{figure['cpu_s']:.3f} s",
        f"{figure['peak_mb']:.0f} MB",
        f"{figure['extra_mb']:.0f} MB",
        exponent,
        quality,
    )


def _quality(results: Results, name: str) -> str:
    values = list(results.qualities(name).values())
    if not values:
        return ""
    noise = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return f"{results.task.quality.name} {statistics.fmean(values):.5g}{noise}"


def summary(results: Results) -> dict[str, Any]:
    """Return what a task is and how it was judged, for the JSON file."""
    task = results.task
    return {
        "summary": task.summary,
        "numbers_per_row": task.numbers_per_row,
        "sizes": results.selection.sizes(task),
        "quality_rows": results.selection.quality_rows(task),
        "quality": asdict(task.quality),
        "contenders": {
            each.name: {
                "growth_exponent": results.growth(each.name),
                "mean_quality": results.mean_quality(each.name),
                "qualities": results.qualities(each.name),
            }
            for each in task.contenders
        },
        "targets": [asdict(each) for each in judge(results)],
    }


def plot(everything: list[Results], path: Path) -> None:
    """Write a PNG: for each task time and memory over size, and quality with its noise."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(
        len(everything), 3, figsize=(15, 3.6 * len(everything)), squeeze=False, layout="constrained"
    )
    for results, (time_axes, memory_axes, quality_axes) in zip(everything, grid, strict=True):
        _over_size(results, time_axes, "seconds", "seconds")
        _over_size(results, memory_axes, "peak_mb", "peak memory, MB")
        time_axes.set_title(results.task.name, loc="left", fontweight="bold")
        time_axes.legend(fontsize=7)
        _bars(results, quality_axes)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _colours(results: Results) -> Iterator[tuple[str, str]]:
    peers = iter(("tab:blue", "tab:orange", "tab:purple", "tab:red", "tab:brown", "tab:pink") * 3)
    mine = iter(("tab:green", "tab:olive", "tab:cyan", "lime") * 3)
    for contender in results.task.contenders:
        yield contender.name, next(mine if contender.ours else peers)


def _over_size(results: Results, axes: Any, field: str, label: str) -> None:
    for name, colour in _colours(results):
        sizes = results.selection.sizes(results.task)
        points = [(rows, results.figure(name, rows)) for rows in sizes]
        measured = [
            (rows * results.task.numbers_per_row, figure[field])
            for rows, figure in points
            if field in figure
        ]
        if measured:
            axes.plot(*zip(*measured, strict=True), marker="o", color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="numbers of input", ylabel=label)
    axes.grid(alpha=0.3, which="both")


def _bars(results: Results, axes: Any) -> None:
    """Draw each seed as a dot and the mean as a line: bars from zero would hide the differences."""
    quality = results.task.quality
    names: list[str] = []
    for name, colour in _colours(results):
        values = list(results.qualities(name).values())
        if not values:
            continue
        axes.plot([len(names)] * len(values), values, "o", color=colour, alpha=0.5)
        axes.hlines(
            statistics.fmean(values), len(names) - 0.3, len(names) + 0.3, color=colour, linewidth=3
        )
        names.append(name)
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=7)
    better = "higher" if quality.higher_is_better else "lower"
    axes.set_ylabel(f"{quality.name} ({better} is better)")
    axes.grid(alpha=0.3, axis="y")
