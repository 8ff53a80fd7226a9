"""`sagebrush status`: what a running server is doing."""

from __future__ import annotations

import argparse
import json

from sagebrush.cli.clock import description
from sagebrush.cli.controls import control
from sagebrush.cli.options import add_endpoint, running_endpoint


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_endpoint(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def command(parsed: argparse.Namespace) -> int:
    """Print the status page."""
    status = control(running_endpoint(parsed), "status")
    if parsed.json:
        print(json.dumps(status, indent=2))
        return 0
    print(f"server      {status['endpoint']}  (pid {status['pid']}, version {status['version']})")
    print(f"data        {status['data']}  ({_size(status['disk_bytes'])})")
    print(f"signatures  {'verified' if status['verify_signatures'] else 'not checked'}")
    print(f"sandbox     {status['sandbox']}")
    print(f"limits      {status['limits']}")
    for reason in status["weaker_because"]:
        print(f"            {reason}")
    if not status["clock"].get("real", True):
        print(f"clock       {description(status['clock'])}")
    if status["faults"]:
        print(f"faults      {status['faults']} switched on: `sagebrush faults` lists them")
    for service, facts in status["services"].items():
        for name, value in facts.items():
            print(f"{service}: {name}  {_line(value)}")
    return 0


def _line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"
