"""The faults of one server: kept in the database, held in memory by whom they concern."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from sagebrush.base.clock import Clock
from sagebrush.engines.injection.records import KINDS, Fault, FaultError, make_fault
from sagebrush.store.database import Database, Row

_MODEL_KINDS = frozenset({"model-crash", "model-delay", "model-error"})
_OPERATION_KINDS = frozenset({"throttle", "error"})


class Injection:
    """Switches faults on and off and says whom they strike.

    `operations`, `models`, `capacity` and `interruptions` are empty as long as nothing of the kind
    is switched on: looking at one is all that requests pay.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        db.migrate("engines.injection", Path(__file__).parent / "migrations")
        rows = db.all("SELECT * FROM injection_faults ORDER BY number")
        self._faults = {row["id"]: _fault(row) for row in rows}
        self._changed = asyncio.Event()
        self.operations: list[Fault] = []
        self.models: list[Fault] = []
        self.capacity: list[Fault] = []
        self.interruptions: list[Fault] = []
        self._sort()

    def shown(self) -> list[dict[str, Any]]:
        """Return every fault as JSON shows it, those that are over as well, the first first."""
        now = self._clock.now()
        return [fault.shown(now) for fault in self._faults.values()]

    def add(self, given: dict[str, Any]) -> dict[str, Any]:
        """Switch a fault on and return it as JSON shows it.

        Raises:
            FaultError: `given` describes none.
        """
        now = self._clock.now()
        identifier = secrets.token_hex(4)
        fault = make_fault(identifier, secrets.randbelow(2**31), now, given)
        with self._db.atomically():
            self._db.execute(
                "INSERT INTO injection_faults (id, number, document)"
                " SELECT ?, coalesce(max(number), 0) + 1, ? FROM injection_faults",
                (identifier, _document(fault)),
            )
        self._faults[identifier] = fault
        self._sort()
        return fault.shown(now)

    def remove(self, identifier: str) -> dict[str, Any]:
        """Switch a fault off and return what it did.

        Raises:
            FaultError: there is none of that id.
        """
        fault = self._faults.get(identifier)
        if fault is None:
            raise FaultError(f"there is no fault {identifier}")
        with self._db.atomically():
            self._db.execute("DELETE FROM injection_faults WHERE id = ?", (identifier,))
        del self._faults[identifier]
        self._sort()
        return fault.shown(self._clock.now())

    def clear(self) -> list[dict[str, Any]]:
        """Switch every fault off and return what they did."""
        return [self.remove(identifier) for identifier in list(self._faults)]

    def strike(self, faults: list[Fault], account: str, target: str) -> Fault | None:
        """Return the first of `faults` (one of this object's lists) that strikes; counts it."""
        return next(iter(self.strikes(faults, account, target, most=1).values()), None)

    def strikes(
        self, faults: list[Fault], account: str, target: str, *, most: int = len(KINDS)
    ) -> dict[str, Fault]:
        """Return the first of each kind of `faults` that strikes, `most` at most; counts them."""
        now = self._clock.now()
        struck: dict[str, Fault] = {}
        for fault in list(faults):
            if fault.is_over(now):
                faults.remove(fault)
                continue
            may = len(struck) < most and fault.kind not in struck
            if may and fault.concerns(account, target) and fault.falls():
                self._count(fault)
                struck[fault.kind] = fault
        return struck

    async def interruption(self, account: str, target: str) -> Fault:
        """Return the fault that interrupts a job, once there is one."""
        while True:
            changed = self._changed
            fault = self.strike(self.interruptions, account, target)
            if fault is not None:
                return fault
            await changed.wait()

    def _count(self, fault: Fault) -> None:
        fault.struck += 1
        with self._db.atomically():
            self._db.execute(
                "UPDATE injection_faults SET tries = ?, struck = ? WHERE id = ?",
                (fault.tries, fault.struck, fault.id),
            )

    def _sort(self) -> None:
        now = self._clock.now()
        active = [fault for fault in self._faults.values() if not fault.is_over(now)]
        self.operations = [fault for fault in active if fault.kind in _OPERATION_KINDS]
        self.models = [fault for fault in active if fault.kind in _MODEL_KINDS]
        self.capacity = [fault for fault in active if fault.kind == "capacity"]
        self.interruptions = [fault for fault in active if fault.kind == "spot-interruption"]
        self._changed.set()
        self._changed = asyncio.Event()


def _document(fault: Fault) -> str:
    kept = asdict(fault)
    del kept["tries"], kept["struck"]
    return orjson.dumps(kept).decode()


def _fault(row: Row) -> Fault:
    return Fault(**orjson.loads(row["document"]), tries=row["tries"], struck=row["struck"])
