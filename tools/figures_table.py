"""The table of measured figures in README, from the benchmarks' JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import comparison

_BEGIN, _END = "<!-- figures -->", "<!-- /figures -->"
_OBJECT_PEERS = ("moto_server", "ministack")
_MODEL_PEERS = ("mlserver", "litserve", "bentoml")
Row = tuple[str, str, str]


def filled(
    readme: str, figures: dict[str, Any] | None, compared: dict[str, Any] | None = None
) -> str:
    """Return README with the part between its two marks written anew.

    `figures` come from `make bench`, `compared` from `make bench-algorithms`.

    Raises:
        ValueError: README has not exactly one such part.
    """
    before, found, rest = readme.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if not found or not closed or _BEGIN in after:
        raise ValueError(f"README needs one {_BEGIN} … {_END}")
    return f"{before}{_BEGIN}\n{table(figures, compared)}{_END}{after}"


def table(figures: dict[str, Any] | None, compared: dict[str, Any] | None = None) -> str:
    """Return the table, or where the figures come from when none are kept yet."""
    if figures is None:
        return "`make bench` measures this machine and its peers, and prints the figures.\n"
    parts = (_startup, _control, _objects, _jobs, _invocations)
    rows = [row for part in parts for row in part(figures)]
    rows += comparison.rows(compared) if compared else ()
    lines = [("figure", "Sagebrush", "peers (times better)"), ("---",) * 3, *rows]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    system = str(figures["machine"]).partition("-")[0]
    return f"{text}\nMeasured on {system} with {figures['cpus']} CPUs.\n"


def _startup(figures: dict[str, Any]) -> Iterator[Row]:
    if "startup" not in figures:
        return
    ours, moto = figures["startup"]["sagebrush"], figures["startup"]["moto_server"]
    for key, title, form in (
        ("ready_s", "start to ready", "{:.2f} s"),
        ("first_request_s", "first request", "{:.2f} s"),
        ("memory_mb", "idle memory", "{:.0f} MB"),
    ):
        peer = _peer("moto_server", form.format(moto[key]), moto[key] / ours[key])
        yield title, form.format(ours[key]), peer


def _control(figures: dict[str, Any]) -> Iterator[Row]:
    if "control" not in figures:
        return
    ours, moto = (figures["control"][name]["per_second"] for name in ("sagebrush", "moto_server"))
    peer = _peer("moto_server", f"{moto:,.0f}/s", ours / moto)
    yield "ListTrainingJobs, 10 jobs", f"{ours:,.0f}/s", peer


def _objects(figures: dict[str, Any]) -> Iterator[Row]:
    measured = figures.get("objects", {})
    for size, ours in measured.get("sagebrush", {}).items():
        for operation in ("put", "get"):
            key = f"{operation}_per_s"
            peers = [
                _peer(name, _rate(measured[name][size][key]), ours[key] / measured[name][size][key])
                for name in _OBJECT_PEERS
                if size in measured.get(name, {})
            ]
            yield f"S3 {operation.upper()}, {size}", _rate(ours[key]), _joined(peers)


def _jobs(figures: dict[str, Any]) -> Iterator[Row]:
    if "jobs" not in figures:
        return
    jobs = figures["jobs"]
    first, cold = jobs["first_line_ms"], jobs["cold_ms"]
    peer = _peer("a cold interpreter with its imports", f"{cold:.0f} ms", cold / first)
    yield "CreateTrainingJob to the algorithm's first line", f"{first:.0f} ms", peer
    yield "CreateTrainingJob to `Completed`", f"{jobs['completed_ms']:.0f} ms", ""


def _invocations(figures: dict[str, Any]) -> Iterator[Row]:
    measured = figures.get("invocations", {})
    for count, ours in measured.get("sagebrush", {}).items():
        peers = [
            _peer(
                name,
                _served(measured[name][count]),
                ours["per_second"] / measured[name][count]["per_second"],
            )
            for name in _MODEL_PEERS
            if count in measured.get(name, {})
        ]
        clients = "1 client" if count == "1" else f"{count} clients"
        yield f"InvokeEndpoint, XGBoost, {clients}", _served(ours), _joined(peers)


def _peer(name: str, value: str, ratio: float) -> str:
    return f"{name} {value} (**{ratio:.1f}×**)"


def _joined(peers: Iterable[str]) -> str:
    return "; ".join(peers)


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def _served(item: dict[str, float]) -> str:
    return f"{item['per_second']:,.0f}/s, p99 {item['p99_ms']:.1f} ms"
