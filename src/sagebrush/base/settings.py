"""Settings of one server, read once at start and never changed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagebrush.base.errors import ConfigurationError

if TYPE_CHECKING:
    from sagebrush.base.clock_setting import ClockSetting

DEFAULT_PORT = 4566
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
# What a server leaves in its data directory: itself while it runs, the lock it holds, how its
# clock runs if not as the machine's, and the first key where signatures are checked.
RUNNING_FILE = "server.json"
LOCK_FILE = "lock"
CLOCK_FILE = "clock.json"
ROOT_CREDENTIALS_FILE = "root-credentials"
# Addresses that mean every interface are for listening, not for connecting.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


@dataclass(frozen=True)
class Settings:
    """What `sagebrush up` was told.

    `durable` syncs every acknowledged write to the disk; `verify_signatures` turns signature and
    policy checks on; `offline` refuses to tunnel to hosts that are not AWS's; `job_memory_bytes`
    is the most memory that a host of a training job gets, however large its instance type; `clock`
    is how time is to run, None for as it did.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    durable: bool = False
    verify_signatures: bool = False
    offline: bool = False
    ephemeral: bool = False
    job_memory_bytes: int | None = None
    clock: ClockSetting | None = None
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION

    @property
    def endpoint(self) -> str:
        """The plain address that clients and jobs reach the server at."""
        host = _REACHED_AT.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def default_data_dir() -> Path:
    """Return the user's data directory (`SAGEBRUSH_DATA`, else the platform's convention)."""
    if configured := os.environ.get("SAGEBRUSH_DATA"):
        return Path(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "sagebrush"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "sagebrush"


def make_data_dir(folder: Path) -> None:
    """Make the data directory unless it is there.

    Raises:
        ConfigurationError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(folder, os.W_OK | os.X_OK) else "it is not writable"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is not None:
        raise ConfigurationError(
            f"{folder} cannot be the data directory: {reason}; choose another with --data"
        )


def default_cache_dir() -> Path:
    """Return where files that can be made again are kept (`SAGEBRUSH_CACHE`, else convention)."""
    if configured := os.environ.get("SAGEBRUSH_CACHE"):
        return Path(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sagebrush"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sagebrush"
