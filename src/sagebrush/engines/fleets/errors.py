"""What can go wrong between a router and its model servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagebrush.base.errors import SagebrushError

if TYPE_CHECKING:
    from sagebrush.engines.fleets.router import Variant

# A connection that was idle has ended at once when it is used; later, the request is to blame.
_IDLE_END_S = 0.2


class FleetError(SagebrushError):
    """Root of the errors of this engine; variant and container it happened to, where known."""

    variant: Variant | None = None
    container: str = ""


class NoSuchFleetError(FleetError):
    """Nothing is published at that address."""


class NoSuchVariantError(FleetError):
    """The fleet has no variant of that name."""


class NoSuchInstanceError(FleetError):
    """No fleet at the address has that instance any more."""


class NotReadyError(FleetError):
    """Every model server is starting again; the request may be repeated."""


class ServerLostError(FleetError):
    """The model server closed the connection before it answered."""


class NobodyListensError(ServerLostError):
    """No connection came about, or an idle one had ended: nothing was worked on."""


def is_death(error: ServerLostError, elapsed_s: float) -> bool:
    """Whether a process ended over a request that was sent `elapsed_s` ago, and not before it."""
    return not isinstance(error, NobodyListensError) or elapsed_s > _IDLE_END_S


class NotLoadedError(ServerLostError):
    """The server of many models has not the one that was wanted; the message says why."""


class ServerTimeoutError(FleetError):
    """The model server did not answer in time."""


class ThrottledError(FleetError):
    """As many requests as there may be at once are under way."""


class OversizedRequestError(FleetError):
    """A request has more bytes than its variant takes."""


class OversizedAnswerError(FleetError):
    """A model server has answered more bytes than its variant passes on."""


class StartError(FleetError):
    """A model server did not become healthy; the message says why.

    `containers` names all that did not, of the same instance.
    """

    containers: tuple[str, ...] = ()
