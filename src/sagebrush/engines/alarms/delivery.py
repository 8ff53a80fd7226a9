"""Carries out the actions that changes of state have left behind."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.base.clock import Clock
from sagebrush.engines.alarms.records import ActionError, ActionHandler, Alarm, AlarmAction
from sagebrush.engines.alarms.store import AlarmStore

_log = logging.getLogger(__name__)


class Delivery:
    """Takes the remembered actions one after the other."""

    def __init__(
        self, store: AlarmStore, clock: Clock, handlers: Mapping[str, ActionHandler]
    ) -> None:
        self._store = store
        self._clock = clock
        self._handlers = handlers
        # Repeated actions are not remembered: the next minute brings them again.
        self.repeated: list[AlarmAction] = []

    async def run(self) -> None:
        """Carry out everything there is."""
        while (row := self._store.next_pending()) is not None:
            alarm = Alarm.from_json(row["alarm"])
            await self._carry_out(row["id"], AlarmAction(row["arn"], alarm, row["old_state"]))
        while self.repeated:
            await self._repeat(self.repeated.pop(0))

    async def _carry_out(self, pending_id: int, action: AlarmAction) -> None:
        try:
            with self._store.db.transaction():
                result = self._handle(action)
                if not inspect.isawaitable(result):
                    self._finish(pending_id, action, message=result)
                    return
            message = await result
        except ActionError as error:
            self._finish(pending_id, action, error=str(error))
        except Exception as error:  # noqa: BLE001 - one action's defect must not stop the others
            _log.exception("the action %s of alarm %s failed", action.arn, action.alarm.name)
            self._finish(pending_id, action, error=f"internal error: {error}")
        else:
            self._finish(pending_id, action, message=message)

    async def _repeat(self, action: AlarmAction) -> None:
        try:
            with self._store.db.transaction():
                result = self._handle(action)
            if inspect.isawaitable(result):
                await result
        except ActionError as error:
            _log.info("%s of alarm %s: %s", action.arn, action.alarm.name, error)
        except Exception:  # noqa: BLE001 - one action's defect must not stop the others
            _log.exception("the action %s of alarm %s failed", action.arn, action.alarm.name)

    def _handle(self, action: AlarmAction) -> Any:
        service = service_of(action.arn)
        handler = self._handlers.get(service)
        if handler is None:
            raise ActionError(f"Sagebrush does not support actions of {service}")
        return handler(action)

    def _finish(
        self,
        pending_id: int,
        action: AlarmAction,
        *,
        message: str | None = None,
        error: str | None = None,
    ) -> None:
        """Forget an action and write into the alarm's history how it went."""
        alarm = action.alarm
        data: dict[str, Any] = {
            "actionState": "Failed" if error else "Succeeded",
            "stateUpdateTimestamp": round(alarm.transitioned * 1000),
            "notificationResource": action.arn,
        }
        if message is not None:
            data["publishedMessage"] = message
        if error is not None:
            data["error"] = error
        verb = "Failed to execute" if error else "Successfully executed"
        with self._store.db.atomically():
            summary = f"{verb} action {action.arn}"
            self._store.record(alarm, self._clock.now(), "Action", summary, data)
            self._store.forget(pending_id)


def service_of(arn: str) -> str:
    """Return the service an action's ARN names, an empty text for no ARN."""
    parsed = Arn.parse(arn)
    return "" if parsed is None else parsed.service
