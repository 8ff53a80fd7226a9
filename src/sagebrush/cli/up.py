"""`sagebrush up`: the server in the foreground."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os
import re
import select
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import DEFAULT_PORT, DEFAULT_REGION, Settings
from sagebrush.cli.options import add_data, data_dir

if TYPE_CHECKING:
    from sagebrush.base.clock_setting import ClockSetting

_MAXIMUM_PORT = 65535
_SHIFTS = {"M": 20, "G": 30}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_data(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port",
        type=_port,
        default=os.environ.get("SAGEBRUSH_PORT", DEFAULT_PORT),
        help="port (default: $SAGEBRUSH_PORT or %(default)s); 0 takes a free one",
    )
    parser.add_argument(
        "--ephemeral",
        action="store_true",
        help="keep nothing: data go to a temporary directory unless --data names one, jobs and"
        " endpoints end with the server",
    )
    parser.add_argument(
        "--durable", action="store_true", help="sync every acknowledged write to the disk"
    )
    parser.add_argument(
        "--verify-signatures",
        action="store_true",
        help="check signatures against IAM's access keys, and policies",
    )
    parser.add_argument(
        "--allow-unauthenticated",
        action="store_true",
        help="let --host be other than loopback although signatures are not checked",
    )
    parser.add_argument(
        "--offline", action="store_true", help="refuse to tunnel to hosts that are not AWS's"
    )
    parser.add_argument(
        "--job-memory",
        type=_memory_bytes,
        metavar="SIZE",
        help="the most memory a host of a training job gets, such as 512M or 4G (default: what its"
        " instance type has, or this machine)",
    )
    parser.add_argument(
        "--clock",
        type=_clock,
        metavar="HOW",
        help="real, x60 (60 times as fast), stopped, or stopped@2026-01-01T00:00:00Z (default: as"
        " it ran last on the data directory; at first, real)",
    )
    parser.add_argument("--verbose", "-v", action="store_true", help="log every request")
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lifeline-fd", type=int, help=argparse.SUPPRESS)


def command(parsed: argparse.Namespace) -> int:
    """Serve until told to stop."""
    _check_exposure(parsed)
    logging.basicConfig(
        level=logging.DEBUG if parsed.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if parsed.ephemeral and parsed.data is None:
        with tempfile.TemporaryDirectory(prefix="sagebrush-") as temporary:
            return _serve(parsed, Path(temporary))
    folder = data_dir(parsed)
    code = _serve(parsed, folder)
    if parsed.ephemeral and parsed.lifeline_fd is not None and _is_cut(parsed.lifeline_fd):
        # Whoever made the temporary directory is gone and cannot remove it.
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _is_cut(lifeline: int) -> bool:
    """Whether the other end has closed; nothing is ever written to it."""
    readable, _, _ = select.select([lifeline], [], [], 0)
    return bool(readable)


def _serve(parsed: argparse.Namespace, folder: Path) -> int:
    from sagebrush.gateway.server import serve

    settings = Settings(
        data_dir=folder,
        host=parsed.host,
        port=parsed.port,
        durable=parsed.durable,
        verify_signatures=parsed.verify_signatures,
        offline=parsed.offline,
        region=os.environ.get("AWS_REGION") or DEFAULT_REGION,
        ephemeral=parsed.ephemeral,
        job_memory_bytes=parsed.job_memory,
        clock=parsed.clock,
    )
    return serve(settings, ready_fd=parsed.ready_fd, lifeline_fd=parsed.lifeline_fd)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _MAXIMUM_PORT:
        raise argparse.ArgumentTypeError(f"{number} is no port: 0 to {_MAXIMUM_PORT} are")
    return number


def _clock(text: str) -> ClockSetting:
    from sagebrush.base.clock_setting import parse_clock

    try:
        return parse_clock(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _memory_bytes(text: str) -> int:
    found = re.fullmatch(r"([1-9]\d*)([MG])(?:i?B)?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: 512M and 4G are")
    return int(found[1]) << _SHIFTS[found[2]]


def _check_exposure(parsed: argparse.Namespace) -> None:
    try:
        loopback = ipaddress.ip_address(parsed.host).is_loopback
    except ValueError:
        loopback = parsed.host == "localhost"
    if not loopback and not parsed.verify_signatures and not parsed.allow_unauthenticated:
        raise ConfigurationError(
            f"{parsed.host} is reachable from other machines, and anyone could run code here:"
            " add --verify-signatures (and create keys with IAM), or accept that with"
            " --allow-unauthenticated"
        )
