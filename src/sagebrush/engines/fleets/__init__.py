"""Model servers behind routers: what real-time endpoints stand on."""

from sagebrush.engines.fleets.channel import Answer, compose
from sagebrush.engines.fleets.errors import (
    FleetError,
    NoSuchFleetError,
    NoSuchVariantError,
    NotReadyError,
    ServerLostError,
    ServerTimeoutError,
    StartError,
)
from sagebrush.engines.fleets.fleets import Fleets, Observer, VariantPlan
from sagebrush.engines.fleets.router import Router, Variant
from sagebrush.engines.fleets.server import MEMBER_NAME, SOCKET_NAME, ModelServer

__all__ = [
    "MEMBER_NAME",
    "SOCKET_NAME",
    "Answer",
    "FleetError",
    "Fleets",
    "ModelServer",
    "NoSuchFleetError",
    "NoSuchVariantError",
    "NotReadyError",
    "Observer",
    "Router",
    "ServerLostError",
    "ServerTimeoutError",
    "StartError",
    "Variant",
    "VariantPlan",
    "compose",
]
