"""The alarms of a server, as the platform has them: the front of `engine`, which is loaded late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.base.clock import Clock
from sagebrush.engines.metrics import MetricStore
from sagebrush.store.database import Database

if TYPE_CHECKING:
    from sagebrush.engines.alarms.engine import Engine
    from sagebrush.engines.alarms.evaluation import Queries
    from sagebrush.engines.alarms.records import ActionHandler, Alarm, Watcher
    from sagebrush.engines.alarms.store import AlarmStore

Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]

_LEFT_TO_DO = "SELECT EXISTS (SELECT 1 FROM alarms_alarms) OR EXISTS (SELECT 1 FROM alarms_pending)"


class Alarms:
    """Alarms of every account and region, evaluated on the clock while there are any.

    Methods are synchronous and join the caller's transaction. `actions` maps the service part of
    an action's ARN to what carries it out; `evaluate_queries` evaluates alarms on expressions.
    """

    def __init__(self, db: Database, clock: Clock, metrics: MetricStore) -> None:
        db.migrate("engines.alarms", Path(__file__).parent / "migrations")
        self.db = db
        self.clock = clock
        self.metrics = metrics
        self.actions: dict[str, ActionHandler] = {}
        self.evaluate_queries: Queries | None = None
        self._spawn: Spawn | None = None

    def start(self, spawn: Spawn) -> None:
        """Evaluate from now on, in background tasks made by `spawn` while there are alarms."""
        row = self.db.one(_LEFT_TO_DO)
        if "_engine" in self.__dict__ or (row is not None and row[0]):
            self._engine.start(spawn)
        self._spawn = spawn

    @property
    def store(self) -> AlarmStore:
        """The rows: finding, listing, tags, history."""
        return self._engine.store

    def state(self, account: str, region: str, name: str) -> str | None:
        """Return `OK`, `ALARM` or `INSUFFICIENT_DATA`; None when there is no such alarm."""
        return self._engine.state(account, region, name)

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """Call `callback` after each change of state; return what ends that."""
        return self._engine.watch(callback)

    def put_metric_alarm(self, account: str, region: str, request: dict[str, Any]) -> Alarm:
        """Create or replace a metric alarm from PutMetricAlarm's members, taken as valid."""
        return self._engine.put_metric_alarm(account, region, request)

    def put_composite_alarm(self, account: str, region: str, request: dict[str, Any]) -> Alarm:
        """Create or replace a composite alarm and evaluate it.

        Raises:
            RuleError: the rule cannot be parsed.
        """
        return self._engine.put_composite_alarm(account, region, request)

    def set_state(
        self, alarm: Alarm, state: str, reason: str, reason_data: str | None = None
    ) -> None:
        """Give an alarm a state until its next evaluation finds another.

        That of a metric alarm comes within a minute, that of a composite one when a child changes.
        """
        self._engine.set_state(alarm, state, reason, reason_data)

    def enable_actions(self, alarm: Alarm, *, enabled: bool) -> None:
        """Let an alarm carry out its actions, or not."""
        self._engine.enable_actions(alarm, enabled=enabled)

    def delete(self, account: str, region: str, names: Iterable[str]) -> None:
        """Delete the alarms there are; what has already happened is still acted upon."""
        self._engine.delete(account, region, names)

    @cached_property
    def _engine(self) -> Engine:
        from sagebrush.engines.alarms.engine import Engine

        engine = Engine(self)
        if self._spawn is not None:
            engine.start(self._spawn)
        return engine
