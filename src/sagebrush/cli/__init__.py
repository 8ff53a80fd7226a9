"""The `sagebrush` command: one file per subcommand, imported when it is called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from sagebrush import __version__
from sagebrush.base.errors import SagebrushError

_COMMANDS = {
    "up": "start the server in the foreground",
    "run": "start a private server, run a command against it, stop",
    "env": "print the exports that point a shell at the server",
    "status": "show jobs, endpoints, disk use, sandbox and limits",
    "clock": "show the server's time; let it pass, run faster or stand still",
    "faults": "make models crash, operations fail, capacity run out; and stop that",
    "logs": "show a job's log",
    "runtimes": "list, prepare and remove the environments that images map to",
    "reset": "empty a data directory, after asking",
    "demo": "train, deploy, invoke and compare three built-in algorithms on real data",
}
_EPILOG = """\
first steps:
  sagebrush demo                          see the whole path work
  sagebrush run -- python your_script.py  run an existing SageMaker script, untouched
  sagebrush up                            keep a server; then, in another shell:
  eval "$(sagebrush env)"                 ...point that shell at it
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (2: wrong usage, 1: it failed)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = next((word for word in given if word in _COMMANDS), None)
    parser = _parser(only=name)
    parsed = parser.parse_args(given)
    if not hasattr(parsed, "command"):
        parser.print_help()
        return 2
    try:
        code = int(parsed.command(parsed))
        sys.stdout.flush()
        return code
    except SagebrushError as error:
        print(f"sagebrush: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough; at exit nothing may be written there any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parser(only: str | None) -> argparse.ArgumentParser:
    """Build the parser; only the called command's module is imported."""
    parser = argparse.ArgumentParser(
        prog="sagebrush",
        description="The AWS machine-learning stack on your own machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sagebrush {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, summary in _COMMANDS.items():
        if only not in (None, name):
            continue
        subparser = subparsers.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        subparser.description = summary[0].upper() + summary[1:] + "."
        if name == only:
            module = importlib.import_module(f"sagebrush.cli.{name}")
            module.configure(subparser)
            subparser.set_defaults(command=module.command)
    return parser
