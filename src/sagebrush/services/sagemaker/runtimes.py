"""From an algorithm's environment to what runs its code: a preloaded parent or an interpreter.

Training and hosting both ask here. The base environment is the server's own interpreter; any other
is built on first use and cached.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sagebrush.algorithms.card import Environment
from sagebrush.base.settings import default_cache_dir
from sagebrush.run.environments import Environments
from sagebrush.run.families import Family
from sagebrush.services.platform import Platform

# The preloaded parent of the base environment, which the server declares.
BASE_FAMILY = "algorithms"


@dataclass(frozen=True)
class Runtime:
    """Where code of an environment runs: the family of a preloaded parent, its interpreter.

    The interpreter is empty for the server's own.
    """

    family: str
    interpreter: str = ""


def environments() -> Environments:
    """Return the environments of this machine's user."""
    return Environments(default_cache_dir() / "environments")


async def runtime_of(
    platform: Platform, environment: Environment, tell: Callable[[str], None]
) -> Runtime:
    """Return where code of an environment runs, building the environment if it is not there.

    `tell` gets lines of progress. Raises `run.environments.BuildError` when the environment cannot
    be built and ConfigurationError when no interpreter on this machine fits.
    """
    if not environment.requirements:
        return Runtime(BASE_FAMILY)
    path = await environments().ensure(environment.name, environment.requirements, tell)
    interpreter = os.fspath(path)
    families = platform.supervisor.zygotes.families
    modules = families[BASE_FAMILY].modules
    families.setdefault(environment.name, Family(environment.name, modules, interpreter))
    return Runtime(environment.name, interpreter)
