"""What can be measured: a server in a setting, and how its processes and its address are found."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.serving.load import Address


@dataclass(frozen=True)
class Setting:
    """One server as it is set up for a measurement.

    `workers` are processes that predict. `capture` and `variants` are for endpoints only.
    """

    server: str
    model: str
    workers: int = 1
    capture: bool = False
    variants: int = 1

    @property
    def name(self) -> str:
        """The setting's name in results."""
        extra = "+capture" * self.capture + f"+{self.variants}variants" * (self.variants > 1)
        return f"{self.server}{extra}/{self.model}/{self.workers}"


@dataclass(frozen=True)
class Target:
    """A server that runs.

    `direct` is the model server's own address and request where there is a router before it;
    `router_pid` the router's process. `pid` has all others below it.
    """

    pid: int
    address: Address
    request: bytes
    direct: tuple[Address, bytes] | None = None
    router_pid: int | None = None
    notes: list[str] = field(default_factory=list)


PEERS = ("mlserver", "litserve", "bentoml")
OURS = "sagebrush"


def settings(models: tuple[str, ...], servers: tuple[str, ...]) -> list[Setting]:
    """Return everything that is measured, the cheapest questions first."""
    every = [Setting(server, model) for model in models for server in servers]
    if "xgboost" in models:
        every += [Setting(server, "xgboost", workers=2) for server in servers]
        if OURS in servers:
            every += [
                Setting(OURS, "xgboost", capture=True),
                Setting(OURS, "xgboost", workers=2, variants=2),
            ]
    return every
