"""What an alarm is, how its state changes, and what an action gets. Times are epoch seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import orjson

from sagebrush.base.arns import Arn, partition_of
from sagebrush.base.errors import SagebrushError

OK = "OK"
ALARM = "ALARM"
INSUFFICIENT_DATA = "INSUFFICIENT_DATA"

METRIC = "MetricAlarm"
COMPOSITE = "CompositeAlarm"

# The member of an alarm's configuration that lists the actions of a state.
ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}


class ActionError(SagebrushError):
    """An action of an alarm cannot be carried out; the message goes into the alarm's history."""


class Key(NamedTuple):
    """Which alarm."""

    account: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as stored: `configuration` is the request that made it, in the API's members.

    `suppressed_by` says why a composite alarm holds its actions back: `WaitPeriod`,
    `ExtensionPeriod` (both until `suppressed_until`) or `Alarm`. `suppressed_from` is the state
    before the change whose actions are held back.
    """

    account: str
    region: str
    name: str
    kind: str
    configuration: dict[str, Any]
    actions_enabled: bool
    configured: float
    state: str
    reason: str
    reason_data: str | None
    updated: float
    transitioned: float
    evaluation_state: str | None = None
    suppressed_by: str | None = None
    suppressed_until: float | None = None
    suppressed_from: str | None = None

    @property
    def key(self) -> Key:
        """Which alarm this is."""
        return Key(self.account, self.region, self.name)

    @property
    def arn(self) -> str:
        """The alarm's ARN."""
        return alarm_arn(self.key)

    def actions(self, state: str) -> list[str]:
        """Return the ARNs of a state's actions."""
        return list(self.configuration.get(ACTIONS[state], []))

    def to_json(self) -> str:
        """Return everything, to be kept with an action that is still to be carried out."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> Alarm:
        """Return what `to_json` wrote."""
        return cls(**orjson.loads(text))


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state; `alarm` is the alarm after it, `old` the alarm before."""

    alarm: Alarm
    old: Alarm
    # The row of the alarm's history that says so.
    history_id: int


@dataclass(frozen=True, slots=True)
class AlarmAction:
    """An action to carry out: `arn` says what, `alarm` is the alarm as it was after the change.

    `repeated` actions come every minute while the state stays as it is; only scaling has them.
    """

    arn: str
    alarm: Alarm
    old_state: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One line of an alarm's history; `data` is JSON."""

    id: int
    name: str
    kind: str
    time: float
    type: str
    summary: str
    data: str


# Carries an action out; what it raises as `ActionError` goes into the history. One that returns
# None ran inside the transaction that forgets the action, so what it wrote happens exactly once.
# One that returns an awaitable is awaited outside and done again when the server dies meanwhile.
ActionHandler = Callable[[AlarmAction], Awaitable[str | None] | str | None]
Watcher = Callable[[Transition], None]


def alarm_arn(key: Key) -> str:
    """Return the ARN of an alarm."""
    partition = partition_of(key.region)
    return str(Arn(partition, "cloudwatch", key.region, key.account, f"alarm:{key.name}"))


def alarm_name(name_or_arn: str) -> str:
    """Return the name of an alarm given by name or ARN."""
    arn = Arn.parse(name_or_arn)
    if arn is not None and arn.service == "cloudwatch" and arn.resource.startswith("alarm:"):
        return arn.resource.removeprefix("alarm:")
    return name_or_arn
