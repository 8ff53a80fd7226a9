"""What a fault is: its kind, whom it strikes, when and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from sagebrush.base.errors import ConfigurationError

_LONGEST_DELAY_S = 3600.0
_STATUSES = range(400, 600)


class FaultError(ConfigurationError):
    """What was asked for is no fault; the message says why."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    `targets` are the first parts that its targets may have, none for those of operations. `times`
    is how often it strikes unless told otherwise; `options` are further members it takes.
    """

    name: str
    summary: str
    targets: tuple[str, ...] = ()
    times: int | None = None
    options: tuple[str, ...] = ()


_MODELS = ("endpoint", "transform-job")
KINDS = {
    kind.name: kind
    for kind in (
        Kind("model-crash", "the model server's process is killed", _MODELS, times=1),
        Kind("model-delay", "a model answers late, by delay_s", _MODELS, options=("delay_s",)),
        Kind("model-error", "a model answers an error", _MODELS, options=("status", "message")),
        Kind(
            "capacity",
            "no instances can be had at creation",
            ("endpoint", "training-job", "transform-job"),
        ),
        Kind(
            "spot-interruption",
            "a managed spot training job is interrupted",
            ("training-job",),
            times=1,
            options=("delay_s",),
        ),
        Kind("throttle", "operations are throttled"),
        Kind("error", "operations fail with 500", options=("status", "code", "message")),
    )
}


@dataclass
class Fault:
    """A fault that was switched on; `tries` is how often its target came by, `struck` what of it.

    `target` is a pattern with `*` and `?`: `SERVICE:Operation`, or `KIND/NAME`, an endpoint's with
    `/VARIANT` behind it if it is for one only, a training job's for want of capacity with
    `/INSTANCE-TYPE`. `until` is when it is over, on the server's clock.
    """

    id: str
    kind: str
    target: str
    account: str = "*"
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    until: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    tries: int = 0
    struck: int = 0

    def is_over(self, now: float) -> bool:
        """Whether it will not strike any more."""
        used_up = self.times is not None and self.struck >= self.times
        return used_up or (self.until is not None and now >= self.until)

    def concerns(self, account: str, target: str) -> bool:
        """Whether it may strike `target`; a pattern without variant or instance type means any."""
        pattern = self.target
        if pattern.count("/") < target.count("/"):
            pattern += "/*"
        return fnmatchcase(target, pattern) and fnmatchcase(account, self.account)

    def falls(self) -> bool:
        """Whether it strikes this time: the same for the same seed and number of tries."""
        number, self.tries = self.tries, self.tries + 1
        if self.probability >= 1:
            return True
        # Not for secrets: a seed must give the same again.
        return Random(f"{self.seed}/{number}").random() < self.probability  # noqa: S311

    def shown(self, now: float) -> dict[str, Any]:
        """Return it as JSON shows it; what is not set is left out."""
        limits = {"times": self.times, "until": self.until}
        document = {"id": self.id, "kind": self.kind, "target": self.target}
        if self.account != "*":
            document["account"] = self.account
        if self.probability < 1:
            limits |= {"probability": self.probability, "seed": self.seed}
        return (
            document
            | {name: value for name, value in limits.items() if value is not None}
            | self.options
            | {"struck": self.struck, "over": self.is_over(now)}
        )


def make_fault(identifier: str, seed: int, now: float, given: dict[str, Any]) -> Fault:
    """Return the fault that a user asks for.

    Raises:
        FaultError: a member is missing, unknown, or has no such value.
    """
    wanted = dict(given)
    kind = KINDS.get(_text(wanted, "kind"))
    if kind is None:
        raise FaultError(f'"kind" is one of {", ".join(KINDS)}')
    fault = Fault(
        identifier,
        kind.name,
        _target(kind, _text(wanted, "target")),
        account=_text(wanted, "account", "*"),
        times=_number(wanted, "times", kind.times, int, lambda times: times >= 1),
        probability=_number(wanted, "probability", 1.0, float, lambda share: 0 < share <= 1) or 0.0,
        seed=_number(wanted, "seed", seed, int, lambda _: True) or 0,
    )
    for_s = _number(wanted, "for_s", None, float, lambda length: length > 0)
    fault.until = None if for_s is None else now + for_s
    fault.options = _options(kind, wanted)
    if wanted:
        raise FaultError(f"{kind.name} takes no {', '.join(wanted)}")
    return fault


def _options(kind: Kind, wanted: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "delay_s" in kind.options:
        found["delay_s"] = _number(
            wanted, "delay_s", None, float, lambda delay: 0 <= delay <= _LONGEST_DELAY_S
        )
    if "status" in kind.options:
        found["status"] = _number(wanted, "status", None, int, _STATUSES.__contains__)
    for name in ("code", "message"):
        if name in kind.options and name in wanted:
            found[name] = _text(wanted, name)
    if kind.name == "model-delay" and found["delay_s"] is None:
        raise FaultError('model-delay needs "delay_s" (on the command line: --delay 2s)')
    return {name: value for name, value in found.items() if value is not None}


def _target(kind: Kind, target: str) -> str:
    if not kind.targets:
        service, colon, operation = target.partition(":")
        if not (service and colon and operation):
            raise FaultError(f"{kind.name} needs a target such as sagemaker:Describe* or s3:*")
        return target
    place, slash, name = target.partition("/")
    if place not in kind.targets or not slash or not name:
        examples = " or ".join(f"{place}/NAME" for place in kind.targets)
        raise FaultError(f"{kind.name} needs a target such as {examples} (* for any name)")
    return target


def _text(wanted: dict[str, Any], name: str, default: str | None = None) -> str:
    value = wanted.pop(name, default)
    if not isinstance(value, str) or not value:
        raise FaultError(f'"{name}" takes a text')
    return value


def _number(
    wanted: dict[str, Any],
    name: str,
    default: Any,
    kind: type[int] | type[float],
    allows: Callable[[Any], bool],
) -> Any:
    value = wanted.pop(name, None)
    if value is None:
        return default
    accepted = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, accepted) or not allows(value):
        raise FaultError(f'"{name}" cannot be {value!r}')
    return kind(value)
