"""Measure and judge: `python -m benchmarks.serving [--quick] [--soak MINUTES] …`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import PeerError
from benchmarks.serving import models
from benchmarks.serving.measuring import measure
from benchmarks.serving.soak import soak
from benchmarks.serving.table import print_table, print_verdicts
from benchmarks.serving.targets import OURS, PEERS, Setting, settings

_CONNECTIONS = (1, 16, 128)
_SERVERS = (OURS, *PEERS)


def main() -> int:
    parsed = _parser().parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs")
    results = _read(parsed.json) if not parsed.fresh else {}
    results.setdefault("machine", {"system": platform.platform(), "cpus": os.cpu_count()})
    made = {name: models.make(name, parsed.models_folder) for name in parsed.models}

    def keep() -> None:
        parsed.json.parent.mkdir(parents=True, exist_ok=True)
        partial = parsed.json.with_suffix(".part")
        partial.write_text(json.dumps(results, indent=2), "utf-8")
        partial.replace(parsed.json)

    if parsed.soak:
        return _soak(made[parsed.models[0]], parsed.soak, results, keep)
    floors = results.setdefault("in_process_us", {})
    for name, model in made.items():
        if name not in floors:
            floors[name] = models.in_process_us(model)
            keep()
    serving = results.setdefault("serving", {})
    for setting in settings(tuple(parsed.models), tuple(parsed.servers)):
        _fill(serving, setting, made[setting.model], parsed, keep)
    print_table(serving, floors)
    return print_verdicts(serving)


def _fill(
    serving: dict[str, Any],
    setting: Setting,
    model: models.Model,
    parsed: argparse.Namespace,
    keep: Callable[[], None],
) -> None:
    """Measure what a setting lacks; a run that was broken off goes on from there."""
    known = serving.setdefault(setting.name, {})
    missing = [count for count in parsed.connections if str(count) not in known]
    if not missing:
        return
    started = time.perf_counter()
    print(f"== {setting.name}", flush=True)
    duration_s, repeats = (2.0, 1) if parsed.quick else (5.0, 3)
    try:
        known |= measure(setting, model, missing, duration_s=duration_s, repeats=repeats)
    except (PeerError, OSError) as error:
        if setting.server == OURS:
            raise
        # Left out of the results: the next run tries again.
        print(f"   not measured: {error}")
        return
    keep()
    for count in missing:
        figures = known[str(count)]
        print(f"   {count:>3}: {figures['per_second']:8.0f}/s, p99 {figures['p99_ms']:.2f} ms")
    print(f"   ({time.perf_counter() - started:.0f} s)", flush=True)


def _soak(
    model: models.Model, minutes: float, results: dict[str, Any], keep: Callable[[], None]
) -> int:
    print(f"== soak: {model.name}, {minutes:g} minutes", flush=True)
    results["soak"] = soak(model, minutes)
    keep()
    found = results["soak"]["faults"]
    print("   " + ("; ".join(found) if found else "passed: constant memory, no error"))
    return 1 if found else 0


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run each")
    parser.add_argument("--fresh", action="store_true", help="forget what is measured already")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="hold 70 %% of the peak")
    parser.add_argument("--servers", nargs="+", default=list(_SERVERS), choices=_SERVERS)
    parser.add_argument("--models", nargs="+", default=list(models.NAMES), choices=models.NAMES)
    parser.add_argument("--connections", nargs="+", type=int, default=list(_CONNECTIONS))
    parser.add_argument("--json", type=Path, default=Path("out/serving.json"))
    parser.add_argument("--models-folder", type=Path, default=Path("out/serving-models"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
