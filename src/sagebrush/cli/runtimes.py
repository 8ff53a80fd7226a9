"""`sagebrush runtimes`: the Python environments that images map to."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator

from sagebrush.algorithms import algorithm_names, card_of
from sagebrush.algorithms.card import Environment
from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import default_cache_dir
from sagebrush.run.environments import Environments

_EPILOG = """\
The newest version of every algorithm runs in the environment sagebrush is installed in. Older
image tags whose numbers or files differ have an environment of their own, built on first use;
prepare it beforehand on a machine that will have no network.

  sagebrush runtimes                      list them
  sagebrush runtimes prepare --all        build every one
  sagebrush runtimes prepare xgboost-1.7  build one
  sagebrush runtimes remove xgboost-1.7   remove one
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "prepare", "remove"),
        default="list",
        help="what to do (%(default)s):",
    )
    parser.add_argument("name", nargs="*", help="environments to prepare or remove")
    parser.add_argument("--all", action="store_true", help="prepare or remove every one")


def command(parsed: argparse.Namespace) -> int:
    """List, prepare or remove environments."""
    store = Environments(default_cache_dir() / "environments")
    known = dict(_known())
    if parsed.action == "list":
        _list(store, known)
        return 0
    for name in _chosen(parsed, known):
        if parsed.action == "remove":
            print(f"{name}: removed {store.remove(name)}")
            continue
        print(f"{name}: preparing {', '.join(known[name].requirements)}")
        interpreter = asyncio.run(store.ensure(name, known[name].requirements, print))
        print(f"{name}: ready, {interpreter}")
    return 0


def _known() -> Iterator[tuple[str, Environment]]:
    """Yield every environment that some image needs besides the base one."""
    for name in algorithm_names():
        for environment in card_of(name).environments:
            yield environment.name, environment


def _chosen(parsed: argparse.Namespace, known: dict[str, Environment]) -> list[str]:
    if parsed.all:
        return list(known)
    if not parsed.name:
        raise ConfigurationError(f"name an environment ({', '.join(known)}) or add --all")
    for name in parsed.name:
        if name not in known:
            raise ConfigurationError(f"no image needs {name!r}; there are {', '.join(known)}")
    return list(parsed.name)


def _list(store: Environments, known: dict[str, Environment]) -> None:
    print("base          ready      the environment sagebrush is installed in")
    for name, environment in known.items():
        ready = store.find(name, environment.requirements) is not None
        state = "ready" if ready else "not built"
        print(f"{name:<13} {state:<10} {', '.join(environment.requirements)}")
