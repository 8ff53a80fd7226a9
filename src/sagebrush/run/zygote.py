"""A preloaded parent: imports a family of libraries once, then forks a shim per request.

Imports only: a computation here would start threads that no fork inherits. Speaks JSON lines over
the socket it got from its server as standard input: `{"directory"}` in; out, once, what was loaded,
then per request the shim's record or `{"error"}`. It ends when the server does; the jobs it forked
do not. Runs under any interpreter that has the standard library: another environment can have a
parent of its own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagebrush.run import shim, threads


def load(modules: list[str]) -> dict[str, str]:
    """Import `modules`; return why each that failed did.

    `name.*` is a package with all its submodules, `?name` one that may be missing. `!name` looks
    missing while the others load: an optional dependency that would only make every fork dearer.
    """
    failures: dict[str, str] = {}
    blocked = [name[1:] for name in modules if name.startswith("!") and name[1:] not in sys.modules]
    with _missing(blocked):
        _import_all([name for name in modules if not name.startswith("!")], failures)
    return failures


@contextlib.contextmanager
def _missing(names: list[str]) -> Iterator[None]:
    # None is how the import system marks a module as not to be found.
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _import_all(modules: list[str], failures: dict[str, str]) -> None:
    for name in modules:
        optional, plain = name.startswith("?"), name.lstrip("?")
        for module in _expand(plain, failures):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                if not (optional and error.name == plain.partition(".")[0]):
                    failures[module] = str(error)
            except Exception as error:  # noqa: BLE001 - whatever a module does at import
                failures[module] = f"{type(error).__name__}: {error}"


def _expand(name: str, failures: dict[str, str]) -> list[str]:
    if not name.endswith(".*"):
        return [name]
    package_name = name.removesuffix(".*")
    package = importlib.import_module(package_name)

    def failed(module: str) -> None:
        failures[module] = str(sys.exc_info()[1])

    found = pkgutil.walk_packages(package.__path__, f"{package_name}.", failed)
    # A package's __main__ is a command and not a library.
    return [package_name, *(m.name for m in found if not m.name.endswith(".__main__"))]


def serve(connection: socket.socket) -> None:
    """Fork a shim for each request until the server closes its end."""
    with connection.makefile("rb") as requests:
        for line in requests:
            directory = json.loads(line)["directory"]
            try:
                child = os.fork()
            except OSError as error:
                _send(connection, {"directory": directory, "error": f"fork: {error}"})
                continue
            if child == 0:
                shim.carry_detached(directory, lambda record: _send(connection, record))


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    # A server that is gone reads the shim's record from the job's directory when it is back.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def main() -> None:
    """Load the modules named by the arguments and serve."""
    os.environ.update(threads.ONE_THREAD | threads.BRIEF_WAITS)
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    # Children are nobody's to wait for: the kernel clears them away.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGHUP):
        # Ctrl-C in the server's terminal is the server's matter.
        signal.signal(number, signal.SIG_IGN)
    try:
        failures = load(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        raise
    threads.find_pools()
    sys.stdout.flush()
    gc.collect()
    gc.freeze()
    tasks = Path("/proc/self/task")
    count = len(list(tasks.iterdir())) if tasks.is_dir() else 1
    _send(connection, {"loaded": True, "failures": failures, "threads": count})
    with contextlib.suppress(ConnectionResetError):
        serve(connection)


if __name__ == "__main__":
    main()
