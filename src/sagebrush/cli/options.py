"""Options that several commands share."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
from pathlib import Path

from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import DEFAULT_PORT, LOCK_FILE, RUNNING_FILE, default_data_dir


def add_data(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add `--data`; `again` for a subcommand of a command that has it, too."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS if again else None,
        help=f"data directory (default: $SAGEBRUSH_DATA or {default_data_dir()})",
    )


def add_endpoint(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add `--endpoint`, for commands that talk to a running server."""
    add_data(parser, again=again)
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        default=argparse.SUPPRESS if again else None,
        help="address of the server (default: $SAGEBRUSH_ENDPOINT_URL, else the server that runs"
        " on the data directory)",
    )


def data_dir(parsed: argparse.Namespace) -> Path:
    """Return the chosen data directory."""
    chosen: Path | None = parsed.data
    return (chosen or default_data_dir()).expanduser().resolve()


def running_endpoint(parsed: argparse.Namespace) -> str:
    """Return the address of the server to talk to.

    Raises:
        ConfigurationError: none was named and none runs on the data directory.
    """
    named: str | None = parsed.endpoint or os.environ.get("SAGEBRUSH_ENDPOINT_URL")
    if named:
        return named.rstrip("/")
    description = running_server(data_dir(parsed))
    if description is None:
        raise ConfigurationError(
            f"no server runs on {data_dir(parsed)}; start one with `sagebrush up`"
            f" (it listens on port {DEFAULT_PORT}) or name one with --endpoint"
        )
    return description["endpoint"]


def running_server(folder: Path) -> dict[str, str] | None:
    """Return what the server that runs on `folder` says of itself, or None when none runs."""
    try:
        if not in_use(folder):
            return None
        description = json.loads((folder / RUNNING_FILE).read_text("utf-8"))
        return {key: str(value) for key, value in description.items()}
    except (OSError, ValueError, AttributeError):
        return None


def in_use(folder: Path) -> bool:
    """Whether a server holds the directory; a process number would not say, they are used again."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
