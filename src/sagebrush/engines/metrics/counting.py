"""Numbers that change with every request, kept where the end of the process does not reach them.

A row of the database for each request would cost more than the request. So numbers lie in a file
that is mapped into memory: changing one is as cheap as changing a variable, and what was changed
is the kernel's to keep, also when the process is killed. Now and then they are stored in the
database and begin anew.

The file is a head and rows. The head has a generation, which grows each time the rows are stored;
the database notes in the same transaction which one it has. So whenever the process ends, the next
one sees whether the rows that it finds are stored already.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from sagebrush.store.database import Database

NUMBERS = 64
_ROW_BYTES = 1024
_KEY_BYTES = _ROW_BYTES - 8 * NUMBERS
_ROWS = 256
_FILE_BYTES = _ROW_BYTES * (1 + _ROWS)
_GENERATION = struct.Struct("<Q")

Key = tuple[str | int, ...]
Numbers: TypeAlias = "memoryview[float]"
"""`NUMBERS` floats of a row, which may be read and set."""

_log = logging.getLogger(__name__)


class Counts:
    """Rows of numbers by key, in the file at `path`; what an earlier process left is among them.

    Rows beyond the file's end, or with a key too long for it, live in memory and can be lost.
    Where the file cannot be made all do.
    """

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._name = path.name
        self._memory: mmap.mmap | bytearray = _mapped(path)
        self._rows: list[tuple[Key, Numbers]] = []
        # How many rows of the file are not empty.
        self._used = next(
            (row for row in range(_ROWS) if not self._memory[_ROW_BYTES * (1 + row)]), _ROWS
        )
        stored = db.one("SELECT generation FROM metrics_counted WHERE name = ?", (self._name,))
        self._stored: int = 0 if stored is None else stored["generation"]
        if _GENERATION.unpack_from(self._memory)[0] > self._stored:
            self._rows.extend(self._left())
        else:
            self._begin_anew()

    def row(self, key: Key) -> Numbers:
        """Return a new row of zeros; whoever counts keeps it until the next `store`."""
        text = json.dumps(key).encode()
        if self._used == _ROWS or len(text) > _KEY_BYTES:
            numbers = memoryview(bytearray(8 * NUMBERS)).cast("d")
        else:
            self._used += 1
            place = _ROW_BYTES * self._used
            numbers = self._numbers(place)
            self._memory[place : place + len(text)] = text
        self._rows.append((key, numbers))
        return numbers

    def store(self, put: Callable[[Key, Numbers], None]) -> None:
        """Have `put` store every row, in one transaction, and forget them.

        Whatever raises leaves all rows as they are, to be stored another time.

        Raises:
            StateError: a transaction is open, which could undo what is forgotten here.
        """
        if not self._rows:
            return
        with self._db.transaction():
            for key, numbers in self._rows:
                put(key, numbers)
            generation = self._stored + 1
            self._db.execute(
                "INSERT OR REPLACE INTO metrics_counted VALUES (?, ?)", (self._name, generation)
            )
        self._stored = generation
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Clear the rows, and only then say that they are of the next generation."""
        self._rows.clear()
        end = _ROW_BYTES * (1 + self._used)
        self._memory[_ROW_BYTES:end] = bytes(end - _ROW_BYTES)
        self._used = 0
        _GENERATION.pack_into(self._memory, 0, self._stored + 1)

    def _left(self) -> Iterator[tuple[Key, Numbers]]:
        """Yield the rows that an earlier process left."""
        for place in range(_ROW_BYTES, _ROW_BYTES * (1 + self._used), _ROW_BYTES):
            text = bytes(self._memory[place : place + _KEY_BYTES]).rstrip(b"\0")
            try:
                key = json.loads(text)
            except ValueError:
                # The process ended while it wrote the key, before it counted anything; or power
                # was lost.
                _log.warning("%s: a row of counts cannot be read", self._name)
            else:
                yield tuple(key), self._numbers(place)

    def _numbers(self, place: int) -> Numbers:
        return memoryview(self._memory)[place + _KEY_BYTES : place + _ROW_BYTES].cast("d")


def _mapped(path: Path) -> mmap.mmap | bytearray:
    """Return a file's bytes, shared with the kernel; plain memory where there is no room for it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # The room is there from now on: writing into a hole of a full disk ends a process.
            os.posix_fallocate(descriptor, 0, _FILE_BYTES)
            return mmap.mmap(descriptor, _FILE_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        _log.warning("counts of requests do not outlive a killed server: %s: %s", path, error)
        return bytearray(_FILE_BYTES)
