"""`sagebrush status`: what a running server is doing."""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.request
from typing import Any, cast

from sagebrush.base.errors import ConfigurationError
from sagebrush.cli.options import add_endpoint, running_endpoint

_TIMEOUT_S = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_endpoint(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def command(parsed: argparse.Namespace) -> int:
    """Print the status page."""
    status = fetch(running_endpoint(parsed), "status")
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
    for service, facts in status["services"].items():
        for name, value in facts.items():
            print(f"{service}: {name}  {_line(value)}")
    return 0


def fetch(endpoint: str, page: str) -> dict[str, Any]:
    """Return one of the server's own pages.

    Raises:
        ConfigurationError: nothing answers there.
    """
    # The address is the user's own server, and a proxy variable may point at it too.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{endpoint}/_sagebrush/{page}", timeout=_TIMEOUT_S) as answer:
            return cast("dict[str, Any]", json.load(answer))
    except (urllib.error.URLError, OSError) as error:
        raise ConfigurationError(
            f"no server answers at {endpoint} ({error}); start one with `sagebrush up`"
        ) from None


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
