"""Prints figures and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.serving.verdicts import Results, generator_bound, judge

_WORDS = {True: "met", False: "MISSED", None: "unknown"}
_HEAD = (
    f"{'server, model, workers':<34}{'conns':>6}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}"
    f"{'CPU us':>9}{'router':>8}{'MB':>8}{'ratio':>8}"
)


def print_table(results: Results, floors: Mapping[str, float]) -> None:
    """Print a line for each setting and number of connections; ratios are to the same of ours."""
    for model, microseconds in floors.items():
        print(f"{model} in process: {microseconds:.0f} us, {1e6 / microseconds:.0f} a second")
    print("\n" + _HEAD)
    for name in sorted(results, key=lambda each: each.split("/")[1:]):
        rest = name.partition("/")[2]
        for count, figures in results[name].items():
            ours = results.get(f"sagebrush/{rest}", {}).get(count)
            print(_line(name, count, figures, ours))


def _line(name: str, count: str, figures: Mapping[str, Any], ours: Mapping[str, Any] | None) -> str:
    router = figures.get("router_cpu_us")
    ratio = "" if ours is None else f"{ours['per_second'] / max(figures['per_second'], 1):.1f}"
    return (
        f"{name:<34}{count:>6}{figures['per_second']:>9.0f}{figures['p50_ms']:>9.2f}"
        f"{figures['p99_ms']:>9.2f}{figures['cpu_us']:>9.0f}"
        f"{'' if router is None else format(router, '.0f'):>8}"
        f"{figures['memory_bytes'] / 1e6:>8.0f}{ratio:>8}"
    )


def print_verdicts(results: Results) -> int:
    """Print what is met and what is not; return 1 if anything is missed."""
    verdicts = judge(results)
    print()
    for verdict in verdicts:
        print(f"{_WORDS[verdict.met]:>8}  {verdict.target}: {verdict.figure}")
    for name in generator_bound(results):
        print(f"    note  the load generator was the limit: {name}")
    return int(any(verdict.met is False for verdict in verdicts))
