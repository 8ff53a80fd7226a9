"""Settings of one server, read once at start and never changed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 4566
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Settings:
    """What `sagebrush up` was told.

    `durable` syncs every acknowledged write to the disk; `verify_signatures` turns signature and
    policy checks on; `offline` refuses to tunnel to hosts that are not AWS's.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    durable: bool = False
    verify_signatures: bool = False
    offline: bool = False
    ephemeral: bool = False
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION

    @property
    def endpoint(self) -> str:
        """The plain address that clients and jobs reach the server at."""
        return f"http://{self.host}:{self.port}"


def default_data_dir() -> Path:
    """Return the user's data directory (`SAGEBRUSH_DATA`, else the platform's convention)."""
    if configured := os.environ.get("SAGEBRUSH_DATA"):
        return Path(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "sagebrush"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "sagebrush"


def default_cache_dir() -> Path:
    """Return where files that can be made again are kept (`SAGEBRUSH_CACHE`, else convention)."""
    if configured := os.environ.get("SAGEBRUSH_CACHE"):
        return Path(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sagebrush"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sagebrush"
