"""Whether a request that was lost is to blame for the end of the process that it was sent to."""

from __future__ import annotations

from sagebrush.engines.fleets.errors import ServerLostError, is_death
from sagebrush.engines.fleets.instance import Instance


class Losses:
    """What became of the attempts to have one request answered."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, ...]] = {}

    def blames(self, instance: Instance, error: ServerLostError, elapsed_s: float) -> bool:
        """Whether a process ended over the request, sent `elapsed_s` ago, and not before it.

        Each process has answered a ping, so the connection that it dies over looks as if it had
        been idle. But that happens once to a process that was gone already: when the one that
        replaced it goes as well, the request did it.
        """
        now = instance.incarnations
        return is_death(error, elapsed_s) or self._seen.setdefault(instance.key, now) != now
