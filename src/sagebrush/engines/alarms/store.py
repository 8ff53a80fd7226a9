"""The rows of alarms: configuration and state, history, and actions still to be carried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from sagebrush.engines.alarms.records import COMPOSITE, Alarm, HistoryItem, Key, Transition
from sagebrush.store.database import Database, Row

# As long as CloudWatch keeps the history of an alarm.
HISTORY_S = 30 * 86_400.0
_COLUMNS = (
    "account, region, name, kind, configuration, actions_enabled, configured, state, reason,"
    " reason_data, updated, transitioned, evaluation_state, suppressed_by, suppressed_until,"
    " suppressed_from"
)
_WHERE = "account = ? AND region = ? AND name = ?"


class AlarmStore:
    """Reads and writes the rows; every method joins the caller's transaction."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def find(self, key: Key) -> Alarm | None:
        """Return an alarm, or None."""
        row = self.db.one(f"SELECT {_COLUMNS} FROM alarms_alarms WHERE {_WHERE}", key)
        return None if row is None else _alarm(row)

    def state(self, key: Key) -> str | None:
        """Return an alarm's state, None when there is no such alarm."""
        row = self.db.one(f"SELECT state FROM alarms_alarms WHERE {_WHERE}", key)
        return None if row is None else str(row[0])

    def evaluated_every(self, interval_s: int) -> list[Key]:
        """Return the metric alarms of every account that are evaluated at an interval."""
        rows = self.db.all(
            "SELECT account, region, name FROM alarms_alarms WHERE interval_s = ?", (interval_s,)
        )
        return [Key(*row) for row in rows]

    def intervals(self) -> list[int]:
        """Return the intervals at which metric alarms are evaluated, shortest first."""
        rows = self.db.all(
            "SELECT DISTINCT interval_s FROM alarms_alarms WHERE interval_s IS NOT NULL"
            " ORDER BY interval_s"
        )
        return [int(row[0]) for row in rows]

    def composites(self, account: str, region: str) -> list[Alarm]:
        """Return the composite alarms of an account in a region, by name."""
        rows = self.db.all(
            f"SELECT {_COLUMNS} FROM alarms_alarms"
            " WHERE kind = ? AND account = ? AND region = ? ORDER BY name",
            (COMPOSITE, account, region),
        )
        return [_alarm(row) for row in rows]

    def named(self, account: str, region: str, *, after: str = "", prefix: str = "") -> list[Alarm]:
        """Return the alarms of an account in a region by name, from the one after `after`."""
        rows = self.db.all(
            f"SELECT {_COLUMNS} FROM alarms_alarms WHERE account = ? AND region = ?"
            " AND name > ? AND substr(name, 1, ?) = ? ORDER BY name",
            (account, region, after, len(prefix), prefix),
        )
        return [_alarm(row) for row in rows]

    def write(self, alarm: Alarm, interval_s: int | None = None) -> None:
        """Insert an alarm, or replace all of it but its tags.

        `interval_s` is how often a metric alarm is evaluated; without it the row keeps its own.
        """
        columns = _COLUMNS.split(", ")
        values = [getattr(alarm, column) for column in columns]
        values[columns.index("configuration")] = orjson.dumps(alarm.configuration).decode()
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns[3:])
        self.db.execute(
            f"INSERT INTO alarms_alarms ({_COLUMNS}, interval_s, tags)"
            f" VALUES ({'?, ' * len(values)}?, '{{}}') ON CONFLICT DO UPDATE SET {updates},"
            " interval_s = coalesce(excluded.interval_s, interval_s)",
            (*values, interval_s),
        )

    def delete(self, key: Key) -> None:
        """Forget an alarm; its history stays."""
        self.db.execute(f"DELETE FROM alarms_alarms WHERE {_WHERE}", key)

    def tags(self, key: Key) -> dict[str, str]:
        """Return an alarm's tags."""
        row = self.db.one(f"SELECT tags FROM alarms_alarms WHERE {_WHERE}", key)
        tags: dict[str, str] = {} if row is None else orjson.loads(row[0])
        return tags

    def write_tags(self, key: Key, tags: dict[str, str]) -> None:
        """Replace an alarm's tags."""
        text = orjson.dumps(tags).decode()
        self.db.execute(f"UPDATE alarms_alarms SET tags = ? WHERE {_WHERE}", (text, *key))

    def next_release(self) -> float | None:
        """Return when the next wait or extension period of a suppressed alarm ends."""
        row = self.db.one(
            "SELECT min(suppressed_until) FROM alarms_alarms WHERE suppressed_until IS NOT NULL"
        )
        return None if row is None else row[0]

    def released(self, now: float) -> list[Alarm]:
        """Return the alarms whose wait or extension period has ended."""
        rows = self.db.all(
            f"SELECT {_COLUMNS} FROM alarms_alarms WHERE suppressed_until <= ?", (now,)
        )
        return [_alarm(row) for row in rows]

    def record(self, alarm: Alarm, now: float, kind: str, summary: str, data: Any) -> int:
        """Add a line to an alarm's history; return its id."""
        self.db.execute("DELETE FROM alarms_history WHERE time < ?", (now - HISTORY_S,))
        cursor = self.db.execute(
            "INSERT INTO alarms_history (account, region, name, kind, time, type, summary, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*alarm.key, alarm.kind, now, kind, summary[:255], orjson.dumps(data).decode()),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def recorded(self, transition: Transition) -> bool:
        """Return whether a change is in the history: not when its transaction was undone."""
        alarm = transition.alarm
        # The id alone would not do: an undone row's is given again.
        found = self.db.one(
            f"SELECT 1 FROM alarms_history WHERE id = ? AND time = ? AND {_WHERE}",
            (transition.history_id, alarm.transitioned, *alarm.key),
        )
        return found is not None

    def history(
        self,
        account: str,
        region: str,
        kinds: Sequence[str],
        *,
        name: str | None = None,
        type: str | None = None,  # noqa: A002 - the column's name
        start: float | None = None,
        end: float | None = None,
        after: tuple[float, int] | None = None,
        newest_first: bool = True,
        limit: int = 100,
    ) -> list[HistoryItem]:
        """Return lines of history between two times, from the one after `after` (time, id)."""
        where = ["account = ?", "region = ?", f"kind IN ({', '.join('?' * len(kinds))})"]
        values: list[Any] = [account, region, *kinds]
        for text, value in (
            ("name = ?", name),
            ("type = ?", type),
            ("time >= ?", start),
            ("time <= ?", end),
        ):
            if value is not None:
                where.append(text)
                values.append(value)
        if after is not None:
            where.append(f"(time, id) {'<' if newest_first else '>'} (?, ?)")
            values += after
        direction = "DESC" if newest_first else "ASC"
        rows = self.db.all(
            "SELECT id, name, kind, time, type, summary, data FROM alarms_history WHERE"
            f" {' AND '.join(where)} ORDER BY time {direction}, id {direction} LIMIT ?",
            (*values, limit),
        )
        return [HistoryItem(*row) for row in rows]

    def remember(self, alarm: Alarm, arns: Iterable[str], old_state: str) -> None:
        """Keep actions until they have been carried out."""
        self.db.execute_many(
            "INSERT INTO alarms_pending (arn, alarm, old_state) VALUES (?, ?, ?)",
            [(arn, alarm.to_json(), old_state) for arn in arns],
        )

    def next_pending(self) -> Row | None:
        """Return the oldest action still to be carried out."""
        return self.db.one("SELECT id, arn, alarm, old_state FROM alarms_pending ORDER BY id")

    def forget(self, pending_id: int) -> None:
        """Drop an action that has been carried out."""
        self.db.execute("DELETE FROM alarms_pending WHERE id = ?", (pending_id,))


def _alarm(row: Row) -> Alarm:
    values = dict(row)
    values["configuration"] = orjson.loads(values["configuration"])
    values["actions_enabled"] = bool(values["actions_enabled"])
    return Alarm(**values)
