"""What has been measured: kept in a JSON file that is written after every measurement."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import ROOT

Figure = dict[str, Any]
"""seconds, cpu_s, peak_mb, extra_mb, quality; or `over_limit_s`; or `error`."""


def key_of(task: str, contender: str, rows: int, seed: int) -> str:
    """Return the name under which a measurement is kept."""
    return f"{task} | {contender} | {rows} | {seed}"


def source_of(folder: str, ours: bool) -> str:
    """Return a digest of the files that a measurement depends on: another one makes it stale."""
    paths = [ROOT / "benchmarks" / "algorithm_tasks" / f"{folder}.py"]
    if ours:
        package = ROOT / "src" / "sagebrush" / "algorithms" / folder
        paths += sorted(p for p in package.rglob("*") if p.suffix in (".py", ".c", ".h"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:16]


@dataclass
class Store:
    """The measurements in a file, and what was concluded from them."""

    path: Path
    measurements: dict[str, Figure] = field(default_factory=dict)
    tasks: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Return what `path` keeps; nothing where it does not exist."""
        if not path.exists():
            return cls(path)
        document = json.loads(path.read_text("utf-8"))
        return cls(path, document["measurements"], document["tasks"])

    def save(self) -> None:
        """Write the file in one step, so that an interrupted run can go on."""
        document = {
            "machine": platform.platform(),
            "cpus": os.cpu_count(),
            "tasks": self.tasks,
            "measurements": self.measurements,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(document, indent=1), "utf-8")
        partial.replace(self.path)
