"""What the figures say of the targets: a list of verdicts, each with the figure it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.serving.targets import OURS, PEERS

# Results by the setting's name and the number of connections.
Results = Mapping[str, Mapping[str, Mapping[str, Any]]]

ONE_WORKER_TIMES = 5.0
TWO_WORKERS_TIMES = 2.0
TAIL_SHARE = 0.5
HOP_CPU_US = 100.0
HOP_MEDIAN_MS = 0.3
# Above it, one processor of the load generator is what was measured.
GENERATOR_LIMIT = 0.9
_ONE = "1"


class Verdict(NamedTuple):
    """A target, the figure for it, and whether that is met; None where it was not measured."""

    target: str
    figure: str
    met: bool | None


def judge(results: Results) -> list[Verdict]:
    """Return a verdict for everything that has figures of ours and of a peer."""
    return [
        *_against_peers(results, workers=1, times=ONE_WORKER_TIMES, at_least=True),
        *_against_peers(results, workers=2, times=TWO_WORKERS_TIMES, at_least=False),
        *_hop(results),
        *_errors(results),
    ]


def generator_bound(results: Results) -> list[str]:
    """Return what measured the load generator instead of a server."""
    return [
        f"{name} at {count} connections"
        for name, by_count in results.items()
        for count, figures in by_count.items()
        if figures.get("generator_share", 0.0) > GENERATOR_LIMIT
    ]


def _against_peers(
    results: Results, *, workers: int, times: float, at_least: bool
) -> Iterator[Verdict]:
    for name, by_count in results.items():
        server, model, number = name.split("/")
        if server != OURS or int(number) != workers:
            continue
        for count, ours in by_count.items():
            yield from _pair(results, f"{model}/{number}", count, ours, times, at_least)


def _pair(
    results: Results,
    rest: str,
    count: str,
    ours: Mapping[str, Any],
    times: float,
    at_least: bool,
) -> Iterator[Verdict]:
    measured = [results.get(f"{peer}/{rest}", {}).get(count) for peer in PEERS]
    peers = [each for each in measured if each is not None and not each["errors"]]
    where = f"{rest.replace('/', ', workers: ')}, connections: {count}"
    # The best of three: without one of them it is not known.
    if len(peers) < len(PEERS):
        yield Verdict(f"throughput, {where}", "a peer was not measured", None)
        return
    best = max(float(each["per_second"]) for each in peers)
    ratio = float(ours["per_second"]) / best
    met = ratio >= times if at_least else ratio > times
    words = "at least" if at_least else "more than"
    figure = f"{ratio:.1f} times"
    if "relay_per_second" in ours:
        figure += f" (a mere relay before the model: {ours['relay_per_second'] / best:.1f})"
    yield Verdict(f"throughput, {where}: {words} {times:g} times the best peer", figure, met)
    # A tail is one of a load: of one connection, nobody waits for another.
    if count != _ONE:
        tail = min(float(each["p99_ms"]) for each in peers)
        share = float(ours["p99_ms"]) / tail
        yield Verdict(
            f"p99, {where}: at most half of the best peer's",
            f"{share:.2f} of it",
            share <= TAIL_SHARE,
        )


def _hop(results: Results) -> Iterator[Verdict]:
    for name, by_count in results.items():
        server, model, workers = name.split("/")
        if server != OURS or workers != _ONE:
            continue
        for count, figures in by_count.items():
            if "router_cpu_us" not in figures:
                continue
            cpu_us = float(figures["router_cpu_us"])
            figure = f"{cpu_us:.0f} us"
            if "relay_cpu_us" in figures:
                figure += f" (a mere relay: {figures['relay_cpu_us']:.0f} us)"
            yield Verdict(
                f"router, {model}, connections: {count}: at most {HOP_CPU_US:g} us of CPU",
                figure,
                cpu_us <= HOP_CPU_US,
            )
            if count == _ONE:
                added_ms = float(figures["p50_ms"]) - float(figures["direct_p50_ms"])
                yield Verdict(
                    f"router, {model}: at most {HOP_MEDIAN_MS:g} ms at the median",
                    f"{added_ms:.2f} ms",
                    added_ms <= HOP_MEDIAN_MS,
                )


def _errors(results: Results) -> Iterator[Verdict]:
    ours = [
        figures
        for name, by_count in results.items()
        if name.startswith(OURS)
        for figures in by_count.values()
    ]
    if ours:
        errors = sum(int(figures["errors"]) for figures in ours)
        yield Verdict("no error of an endpoint", f"{errors} errors", errors == 0)
