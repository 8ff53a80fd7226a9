"""Model servers behind routers: what real-time endpoints stand on."""

from sagebrush.engines.fleets.channel import Answer, Outcome, compose
from sagebrush.engines.fleets.errors import (
    FleetError,
    NobodyListensError,
    NoSuchFleetError,
    NoSuchInstanceError,
    NoSuchVariantError,
    NotLoadedError,
    NotReadyError,
    OversizedRequestError,
    ServerLostError,
    ServerTimeoutError,
    StartError,
    ThrottledError,
)
from sagebrush.engines.fleets.exposure import Exposure
from sagebrush.engines.fleets.fleets import Attempt, Fleets, VariantPlan
from sagebrush.engines.fleets.instance import Instance, Observer, Place
from sagebrush.engines.fleets.losses import Losses
from sagebrush.engines.fleets.on_demand import Demand, DemandObserver
from sagebrush.engines.fleets.router import Router, Strategy, Variant
from sagebrush.engines.fleets.server import MEMBER_NAME, SOCKET_NAME, ModelServer, SpecFactory
from sagebrush.engines.fleets.streaming import StreamedAnswer

__all__ = [
    "MEMBER_NAME",
    "SOCKET_NAME",
    "Answer",
    "Attempt",
    "Demand",
    "DemandObserver",
    "Exposure",
    "FleetError",
    "Fleets",
    "Instance",
    "Losses",
    "ModelServer",
    "NoSuchFleetError",
    "NoSuchInstanceError",
    "NoSuchVariantError",
    "NobodyListensError",
    "NotLoadedError",
    "NotReadyError",
    "Observer",
    "Outcome",
    "OversizedRequestError",
    "Place",
    "Router",
    "ServerLostError",
    "ServerTimeoutError",
    "SpecFactory",
    "StartError",
    "Strategy",
    "StreamedAnswer",
    "ThrottledError",
    "Variant",
    "VariantPlan",
    "compose",
]
