"""Run the benchmarks: `python -m benchmarks [NAME…] [--json FILE]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("startup", "control", "objects", "jobs", "invocations", "algorithms")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--json", type=Path, default=Path("out/benchmarks.json"))
    parsed = parser.parse_args()
    unknown = set(parsed.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n")
    results: dict[str, Any] = {"machine": platform.platform(), "cpus": os.cpu_count()}
    for name in parsed.names or NAMES:
        started = time.perf_counter()
        print(f"== {name}")
        results[name] = importlib.import_module(f"benchmarks.{name}").run()
        print(f"   ({time.perf_counter() - started:.0f} s)\n", flush=True)
    parsed.json.parent.mkdir(parents=True, exist_ok=True)
    parsed.json.write_text(json.dumps(results, indent=2), "utf-8")
    print(f"figures: {parsed.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
