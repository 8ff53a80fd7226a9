"""Where requests for an address go: to one fleet, or to several by share."""

from __future__ import annotations

from collections.abc import Mapping

from sagebrush.engines.fleets.errors import NoSuchFleetError
from sagebrush.engines.fleets.router import Shares


class Routes:
    """Addresses and the fleets behind them."""

    def __init__(self) -> None:
        self._weights: dict[str, dict[str, float]] = {}
        self._shares: dict[str, Shares] = {}

    @property
    def addresses(self) -> list[str]:
        """Every address that something is published at."""
        return list(self._weights)

    def publish(self, address: str, weights: Mapping[str, float]) -> None:
        """Lead requests for `address` to fleets by these weights (any scale) from now on."""
        self._weights[address] = dict(weights)
        if address in self._shares:
            self._shares[address].set(weights)
        else:
            self._shares[address] = Shares(weights)

    def withdraw(self, address: str) -> None:
        """Lead requests for `address` nowhere; no error when they lead nowhere already."""
        self._weights.pop(address, None)
        self._shares.pop(address, None)

    def fleets(self, address: str) -> list[str]:
        """Return the names of the fleets behind an address, those that get no request included.

        Raises:
            NoSuchFleetError: nothing is published there.
        """
        weights = self._weights.get(address)
        if weights is None:
            raise NoSuchFleetError(address)
        return list(weights)

    def choose(self, address: str) -> str:
        """Return the fleet for the next request.

        Raises:
            NoSuchFleetError: nothing is published there, or no fleet has a share.
        """
        shares = self._shares.get(address)
        name = None if shares is None else shares.choose()
        if name is None:
            raise NoSuchFleetError(address)
        return name
