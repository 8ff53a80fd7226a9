"""What can be scaled: adapters of the services that own it, for the service that scales it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from sagebrush.engines.metrics import MetricDatum


class Scalable(NamedTuple):
    """A resource as it is; `lowest` is the smallest capacity it can have.

    It is `active` unless something is under way that keeps it from being scaled.
    """

    current: int
    desired: int
    lowest: int
    active: bool


class Quiet(NamedTuple):
    """A metric of a resource that is zero for every minute in which nothing happens."""

    namespace: str
    datum: MetricDatum


class Capacity(Protocol):
    """One scalable dimension of one kind of resource.

    Resource ids are Application Auto Scaling's: `endpoint/<name>/variant/<name>`.
    """

    # In AWS's sentences: `desired instance count`.
    noun: str
    # In AWS's error messages: `AmazonSageMaker`.
    service: str

    def find(self, account: str, region: str, resource_id: str) -> Scalable | None:
        """Return the resource, or None when there is none of this id."""

    def set(self, account: str, region: str, resource_id: str, capacity: int) -> None:
        """Begin to give the resource a capacity; joins the caller's transaction.

        Raises:
            ApiError: the service's own, when that cannot be now.
        """

    async def settled(self, account: str, region: str, resource_id: str) -> str | None:
        """Wait until nothing is under way; return why the last change was undone, if it was."""

    def quiet(self, account: str, region: str, resource_id: str) -> Sequence[Quiet]:
        """Return the metrics to be told as zero while nothing happens."""


def _nothing_is(_account: str, _region: str, _resource_id: str) -> bool:
    return False


class Capacities:
    """The adapters by scalable dimension, each loaded with its first use."""

    def __init__(self) -> None:
        self._loaders: dict[str, Callable[[], Capacity]] = {}
        self._loaded: dict[str, Capacity] = {}
        # Called within the transaction that gives up a resource: account, region, and what all
        # its resource ids, with a slash at their end, begin with (`endpoint/<name>/`).
        self.on_gone: list[Callable[[str, str, str], None]] = []
        # Tells whether a resource (account, region, resource id) is scaled automatically.
        self.is_scaled: Callable[[str, str, str], bool] = _nothing_is

    def offer(self, dimension: str, load: Callable[[], Capacity]) -> None:
        """Let a scalable dimension be scaled."""
        self._loaders[dimension] = load

    def of(self, dimension: str) -> Capacity | None:
        """Return the adapter of a scalable dimension, or None when nothing offers it."""
        found = self._loaded.get(dimension)
        if found is None and dimension in self._loaders:
            found = self._loaded[dimension] = self._loaders[dimension]()
        return found

    def gone(self, account: str, region: str, prefix: str) -> None:
        """Tell that a resource is given up; joins the caller's transaction."""
        for callback in self.on_gone:
            callback(account, region, prefix)
