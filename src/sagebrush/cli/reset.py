"""`sagebrush reset`: empty a data directory."""

from __future__ import annotations

import argparse
import shutil
import sys

from sagebrush.base.errors import ConfigurationError
from sagebrush.cli.options import add_data, data_dir, in_use


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_data(parser)
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")


def command(parsed: argparse.Namespace) -> int:
    """Remove everything the server keeps there.

    Raises:
        ConfigurationError: a server runs on the directory, or it is none of ours.
    """
    folder = data_dir(parsed)
    if not folder.exists():
        print(f"{folder} does not exist; nothing to do")
        return 0
    if in_use(folder):
        raise ConfigurationError(f"a server runs on {folder}; stop it first")
    if any(folder.iterdir()) and not (folder / "state.sqlite").exists():
        raise ConfigurationError(f"{folder} is not a data directory of sagebrush: left as it is")
    if not parsed.yes and not _confirmed(folder):
        print("left as it is")
        return 1
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    print(f"{folder} is empty")
    return 0


def _confirmed(folder: object) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody to ask: add --yes to remove everything")
    return input(f"Remove everything in {folder}? [y/N] ").strip().lower() in ("y", "yes")
