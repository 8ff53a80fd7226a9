"""Copies of requests for a shadow variant: sent behind the caller's back, the answers discarded."""

from __future__ import annotations

import time
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import FleetError, Instance, Variant
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.capture.capturing import capture
from sagebrush.services.sagemaker_runtime.exchanges import Exchange, Reply
from sagebrush.services.sagemaker_runtime.request_metrics import count
from sagebrush.services.served import Served

# A shadow that is slower than production gets no more copies than this at once.
_MAXIMUM_UNDER_WAY = 256
_WORKER = "copies for shadow variants"


class Mirror:
    """The copies of one server that are under way, and whose turn the next is."""

    def __init__(self) -> None:
        self.under_way = 0
        self._turns: dict[str, float] = {}

    def has_turn(self, address: str, fraction: float) -> bool:
        """Whether this request is one of the `fraction` that is copied, evenly spread."""
        turn = self._turns.get(address, 0.0) + fraction
        self._turns[address] = turn % 1.0
        return turn >= 1.0 and self.under_way < _MAXIMUM_UNDER_WAY


def mirror(context: Context, request: dict[str, Any], production: Variant) -> None:
    """Have the shadow variant of a production variant answer the same request, if it is its turn.

    The share is the shadow's weight over the production variant's.
    """
    served: Served = production.traits
    address = f"{served.account}/{served.region}/{served.endpoint}"
    shadow = _shadow(context, address, served)
    if shadow is None or production.weight <= 0:
        return
    mirrors = _mirror_of(context)
    if mirrors.has_turn(address, min(1.0, shadow.weight / production.weight)):
        name = f"copy for {shadow.name} of {served.endpoint}"
        context.platform.spawn(_send(context, request, shadow, mirrors), name, looks_on=True)


async def _send(
    context: Context, request: dict[str, Any], shadow: Variant, mirrors: Mirror
) -> None:
    served: Served = shadow.traits
    exchange = Exchange(request, context.request_id)
    mirrors.under_way += 1
    started = time.perf_counter()
    status = 0
    try:
        instance = shadow.choose()
        if instance is None:
            return
        reply = await _ask(exchange, shadow, instance)
        status = 0 if reply is None else reply.answer.status
        if reply is not None and 200 <= status < 300 and served.captured:
            capture(context, served, shadow.name, request, reply.answer)
        count(context, served.endpoint, shadow, status, started)
    finally:
        mirrors.under_way -= 1


async def _ask(exchange: Exchange, shadow: Variant, instance: Instance) -> Reply | None:
    try:
        return await exchange(shadow, instance)
    except (FleetError, ApiError):
        # Nobody waits for it; that it failed is in the metrics.
        return None


def _shadow(context: Context, address: str, served: Served) -> Variant | None:
    assert served.shadow is not None, "only variants with a shadow are mirrored"
    try:
        routers = context.platform.fleets.routers(address)
    except FleetError:
        return None
    found = (router.variant(served.shadow) for router in routers)
    return next((each for each in found if each is not None and each.shadow), None)


def _mirror_of(context: Context) -> Mirror:
    mirrors: Mirror = context.platform.workers.setdefault(_WORKER, Mirror())
    return mirrors
