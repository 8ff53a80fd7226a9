"""`sagebrush run -- CMD…`: a private server around one command."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from sagebrush.base.errors import ConfigurationError
from sagebrush.launch import PrivateServer

_EXAMPLE = """\
The command sees a proxy and a certificate authority in its environment, so that unmodified
boto3, AWS CLI and SageMaker Python SDK programs reach the private server. Its exit code becomes
this command's.

  sagebrush run -- python train.py
  sagebrush run --data ./state -- pytest tests/
"""

# As shells answer.
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep the server's data (default: thrown away)"
    )
    parser.add_argument(
        "--offline", action="store_true", help="refuse to tunnel to hosts that are not AWS's"
    )
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, metavar="-- CMD…", help="the command to run"
    )


def command(parsed: argparse.Namespace) -> int:
    """Run the program and return its exit code (128 + signal when one ended it)."""
    program = parsed.program[1:] if parsed.program[:1] == ["--"] else parsed.program
    if not program:
        raise ConfigurationError("name the command to run: sagebrush run -- python script.py")
    folder = parsed.data.expanduser().resolve() if parsed.data else None
    options = ("--offline",) if parsed.offline else ()
    # Before there is a program to pass it on to, SIGTERM ends this as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    with PrivateServer(folder, options) as server:
        try:
            child = subprocess.Popen(program, env=server.environment())
        except OSError as error:
            print(f"sagebrush: cannot run {program[0]}: {error.strerror}", file=sys.stderr)
            return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        code = _wait(child)
    return 128 - code if code < 0 else code


def _interrupt(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for the program; Ctrl-C reaches it by itself, SIGTERM is passed on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: child.terminate())
    return child.wait()
