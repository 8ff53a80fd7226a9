"""Races of rivals that lie in the repository: a change of ours does not need them run again.

They take hours and do not depend on our code. Each has the digest of the files it depends on;
one that is stale counts as not measured.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from benchmarks.tuning.campaign import RACE, Figure, Store
from benchmarks.tuning.contenders import OURS

FILE = Path(__file__).with_name("rivals.jsonl.gz")


def kept(path: Path = FILE) -> dict[str, Figure]:
    """Return the figures in `path` by their keys, as a store holds them."""
    figures = {}
    for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines():
        figure = json.loads(line)
        figure["best"] = _every_value(figure["best"], figure.pop("evaluations"))
        figures[figure.pop("key")] = figure
    return figures


def keep(store: Store, path: Path = FILE) -> int:
    """Write the rivals' races of a store into `path` and return how many there are."""
    lines = []
    for key, figure in sorted(store.figures.items()):
        kind, contender, *_ = key.split(" | ")
        if kind == RACE and contender != OURS and "best" in figure:
            best = figure["best"]
            row = {"key": key, "source": figure["source"], "evaluations": len(best)}
            lines.append(json.dumps({**row, "best": _changes(best)}))
    # Without a time in it the same races are the same file.
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return len(lines)


def _changes(values: list[float]) -> list[list[Any]]:
    """Return where a new value begins, and the value: the best so far seldom changes."""
    places = enumerate(values)
    return [[index, each] for index, each in places if not index or each != values[index - 1]]


def _every_value(changes: list[list[Any]], count: int) -> list[float]:
    values: list[float] = []
    for (_, value), (end, _) in zip(changes, [*changes[1:], [count, None]], strict=True):
        values += [value] * (end - len(values))
    return values
