"""The state database: one SQLite file in WAL mode, written by one thread.

Synchronous code on the event-loop thread owns the only writing connection, so a transaction never
waits for another. Work on other threads reads through `reader()`. With `synchronous=NORMAL` a
commit survives `kill -9` of the process; `durable` adds a sync per commit so that it survives loss
of power too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sagebrush.base.errors import StateError

Row = sqlite3.Row
Parameters = Sequence[Any] | dict[str, Any]


class Database:
    """A SQLite database with explicit transactions and numbered migrations."""

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self.path = path
        self._connection = _connect(path)
        self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (owner TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (owner, number))"
        )

    def migrate(self, owner: str, folder: Path) -> None:
        """Apply the scripts `NNNN_name.sql` of `folder` that `owner` has not had yet, in order.

        A released script is never edited: a change is a new number.
        """
        applied = {
            row[0]
            for row in self._connection.execute(
                "SELECT number FROM migrations WHERE owner = ?", (owner,)
            )
        }
        for script in sorted(folder.glob("[0-9]*.sql")):
            number = int(script.name.split("_", 1)[0])
            if number in applied:
                continue
            with self.transaction():
                for statement in _statements(script.read_text("utf-8")):
                    self._connection.execute(statement)
                self.execute(
                    "INSERT INTO migrations (owner, number) VALUES (?, ?)", (owner, number)
                )

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement in the current transaction (or by itself outside one)."""
        return self._connection.execute(sql, parameters)

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run one statement for each of `rows`."""
        self._connection.executemany(sql, rows)

    def one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Return the first row, or None."""
        row: Row | None = self._connection.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return every row."""
        return self._connection.execute(sql, parameters).fetchall()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on the writing connection."""
        return self._connection.in_transaction

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or roll all of it back when it raises.

        The block must not await: another handler's statements would fall into it.

        Raises:
            StateError: a transaction is open already.
        """
        if self._connection.in_transaction:
            raise StateError("a transaction is open already; transactions do not nest")
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """Join the open transaction, or be one of its own: for engines, called from both sides."""
        if self._connection.in_transaction:
            yield
            return
        with self.transaction():
            yield

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Give a read-only connection of its own, for work on another thread."""
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()

    @property
    def changes(self) -> int:
        """Rows changed since the database was opened."""
        return self._connection.total_changes

    def checkpoint(self) -> None:
        """Move committed pages from the log into the database file; callable on any thread."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Close the writing connection."""
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        "busy_timeout=5000",
        "temp_store=MEMORY",
        "cache_size=-8000",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _statements(script: str) -> Iterator[str]:
    """Split a script into statements; `executescript` would commit the open transaction."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise StateError(f"migration ends in an unfinished statement: {pending.strip()[:80]}")
