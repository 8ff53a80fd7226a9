"""Lets a compiled shape refer to itself before it is finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def late(table: dict[Any, Any], key: Any) -> Callable[..., Any]:
    """Return a function that calls whatever stands at `table[key]` when it is called."""

    def call(*arguments: Any) -> Any:
        return table[key](*arguments)

    return call
