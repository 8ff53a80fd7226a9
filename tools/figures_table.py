"""The table of measured figures in README, from the benchmarks' JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_BEGIN, _END = "<!-- figures -->", "<!-- /figures -->"
_SERVERS = ("mlserver", "litserve", "bentoml")
Row = tuple[str, str, str, str]


def filled(readme: str, figures: dict[str, Any] | None) -> str:
    """Return README with the part between its two marks written anew.

    Raises:
        ValueError: README has not exactly one such part.
    """
    before, found, rest = readme.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if not found or not closed or _BEGIN in after:
        raise ValueError(f"README needs one {_BEGIN} … {_END}")
    return f"{before}{_BEGIN}\n{table(figures)}{_END}{after}"


def table(figures: dict[str, Any] | None) -> str:
    """Return the table, or where the figures come from when none are kept yet."""
    if figures is None:
        return "`make bench` measures this machine and its peers, and prints the table.\n"
    rows = [
        row
        for part in (_startup, _control, _objects, _jobs, _invocations, _algorithms)
        for row in part(figures)
    ]
    head = ("figure", "Sagebrush", "peer", "ratio")
    lines = [head, ("---", "---:", "---:", "---:"), *rows]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{text}\nMeasured by `make bench` on {figures['cpus']} CPUs, {figures['machine']}.\n"


def _startup(figures: dict[str, Any]) -> Iterator[Row]:
    if "startup" not in figures:
        return
    ours, moto = figures["startup"]["sagebrush"], figures["startup"]["moto_server"]
    for key, title, unit in (
        ("ready_s", "start to ready", "s"),
        ("first_request_s", "first request", "s"),
        ("memory_mb", "idle memory", "MB"),
    ):
        digits = 0 if unit == "MB" else 2
        yield (
            title,
            f"{ours[key]:.{digits}f} {unit}",
            f"moto_server {moto[key]:.{digits}f} {unit}",
            _times(moto[key] / ours[key], "less"),
        )


def _control(figures: dict[str, Any]) -> Iterator[Row]:
    if "control" not in figures:
        return
    ours, moto = (figures["control"][name]["per_second"] for name in ("sagebrush", "moto_server"))
    yield (
        "ListTrainingJobs, 10 jobs",
        f"{ours:,.0f}/s",
        f"moto_server {moto:,.0f}/s",
        _times(ours / moto, "more"),
    )


def _objects(figures: dict[str, Any]) -> Iterator[Row]:
    measured = figures.get("objects", {})
    for size in measured.get("sagebrush", {}):
        for operation in ("put", "get"):
            key = f"{operation}_per_s"
            ours = measured["sagebrush"][size][key]
            for peer in ("moto_server", "ministack"):
                if size in measured.get(peer, {}):
                    other = measured[peer][size][key]
                    yield (
                        f"S3 {operation.upper()} {size}",
                        f"{ours:,.1f}/s",
                        f"{peer} {other:,.1f}/s",
                        _times(ours / other, "more"),
                    )


def _jobs(figures: dict[str, Any]) -> Iterator[Row]:
    if "jobs" not in figures:
        return
    jobs = figures["jobs"]
    yield (
        "CreateTrainingJob to the algorithm's first line",
        f"{jobs['first_line_ms']:.0f} ms",
        f"cold interpreter and imports {jobs['cold_ms']:.0f} ms",
        _times(jobs["cold_ms"] / jobs["first_line_ms"], "less"),
    )
    yield ("CreateTrainingJob to Completed", f"{jobs['completed_ms']:.0f} ms", "", "")


def _invocations(figures: dict[str, Any]) -> Iterator[Row]:
    measured = figures.get("invocations", {})
    for count in ("1", "16"):
        if count not in measured.get("sagebrush", {}):
            continue
        ours = measured["sagebrush"][count]
        for peer in _SERVERS:
            if count in measured.get(peer, {}):
                other = measured[peer][count]
                yield (
                    f"InvokeEndpoint, XGBoost, {count} connection{'s' * (count != '1')}",
                    f"{ours['per_second']:,.0f}/s, p99 {ours['p99_ms']:.2f} ms",
                    f"{peer} {other['per_second']:,.0f}/s, p99 {other['p99_ms']:.2f} ms",
                    _times(ours["per_second"] / other["per_second"], "more"),
                )


def _algorithms(figures: dict[str, Any]) -> Iterator[Row]:
    """Yield the largest size of each task: time and quality beside each peer."""
    largest: dict[str, int] = {}
    for name in figures.get("algorithms", {}):
        task, _, rows = name.rpartition("-")
        largest[task] = max(int(rows), largest.get(task, 0))
    for task, rows in largest.items():
        (_, ours), *peers = figures["algorithms"][f"{task}-{rows}"].items()
        for peer, other in peers:
            yield (
                f"{task}, {rows:,} rows",
                _trained(ours),
                f"{peer} {_trained(other)}",
                _times(other["seconds"] / ours["seconds"], "less time"),
            )


def _trained(item: dict[str, Any]) -> str:
    return (
        f"{item['seconds']:.2f} s, {item['peak_mb']:.0f} MB, {item['figure']} {item['quality']:.4f}"
    )


def _times(ratio: float, better: str) -> str:
    return f"{ratio:.1f} × {better}"
