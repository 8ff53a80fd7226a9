"""Peers' own arithmetic without what lies around it: races end the same in a fraction of the time.

Most of a suggestion of syne-tune's slower methods goes into checks of arguments and layers between
a few small operations. Here the same operations are done in the same order on the same random
draws. Nothing is approximated: `python -m benchmarks.tuning --check-shortcuts` races both ways and
compares every value. The times of suggestions are always measured without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any
from unittest import mock

_MODULES = {"syne-tune BORE": "bore", "syne-tune CQR": "cqr", "syne-tune BoTorch": "botorch"}
CONTENDERS = tuple(_MODULES)


@contextmanager
def taken(contender: str) -> Iterator[bool]:
    """Give a contender its shortcut meanwhile; yields whether there is one.

    There is none where the libraries are other versions than those it was written for: what it
    replaces is not their public interface.
    """
    if contender not in _MODULES:
        yield False
        return
    shortcut: Any = import_module(f"{__name__}.{_MODULES[contender]}")
    if any(not version(name).startswith(known) for name, known in shortcut.VERSIONS.items()):
        yield False
        return
    with ExitStack() as replaced:
        for owner, name, replacement in shortcut.replacements():
            replaced.enter_context(mock.patch.object(owner, name, replacement))
        yield True
