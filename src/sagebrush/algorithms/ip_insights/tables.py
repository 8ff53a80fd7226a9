"""Embedding tables that hold a row for each key met so far and nothing for any other.

A table of up to 250 million entity vectors costs what its entities cost: rows are appended in the
order in which their keys first appear, and a hash table of keys finds them again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.ip_insights.kernel import kernel

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]
Keys = NDArray[np.uint64]
Names = NDArray[np.uint32]

EMPTY = np.uint64(2**64 - 1)
OCTET_ROWS = 1024
ADDRESS_BITS = 32
PREFIX_LENGTHS = (12, 16, 20, 24, 32)
PREFIX_TABLE_BYTES = 1 << 28
MOST_PREFIXES_PER_LENGTH = 1 << 18
FEWEST_PREFIXES_PER_LENGTH = 1 << 15

Spread = Callable[[Callable[[int, int], object], int], None]


class Adam(NamedTuple):
    """The optimiser's settings of one step: ``rate`` has the bias correction of step t in it."""

    rate: float
    decay: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    @classmethod
    def at(cls, step: int, learning_rate: float, decay: float) -> "Adam":
        """The settings of step number ``step``, counted from 1."""
        correction = float(np.sqrt(1 - 0.999**step) / (1 - 0.9**step))
        return cls(learning_rate * correction, decay)


class Grouping(NamedTuple):
    """Which entries name which row: members[starts[j]:starts[j + 1]] name distinct[j]."""

    distinct: Rows
    starts: Rows
    members: Rows


class RowTable:
    """Rows of ``width`` numbers with Adam's moments, found by 64-bit keys.

    ``weights``, ``means`` and ``squares`` are (capacity, width) float32, of which ``used`` rows
    count; ``row_keys`` are their keys.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.used = 0
        self.row_keys: Keys = np.empty(0, np.uint64)
        self.weights: Floats = np.empty((0, width), np.float32)
        self.means: Floats = np.empty((0, width), np.float32)
        self.squares: Floats = np.empty((0, width), np.float32)
        self._scratch: Rows = np.empty(0, np.int32)
        self._build(1 << 10)

    def reserve(self, more: int) -> None:
        """Make room for ``more`` further rows."""
        wanted = self.used + more
        if wanted > self.row_keys.shape[0]:
            capacity = max(wanted, self.used + self.used // 2, 256)
            self.row_keys = _grown(self.row_keys, capacity, self.used)
            self.weights = _grown(self.weights, capacity, self.used)
            self.means = _grown(self.means, capacity, self.used)
            self.squares = _grown(self.squares, capacity, self.used)
            self._scratch = np.full(capacity, -1, np.int32)
        if 2 * wanted > self._keys.shape[0]:
            self._build(1 << int(2 * wanted).bit_length())

    def restore(self, row_keys: Keys, weights: Floats) -> None:
        """Take these rows for those of the table, which must be empty; only for reading them."""
        self.row_keys = np.ascontiguousarray(row_keys, np.uint64)
        self.weights = np.ascontiguousarray(weights, np.float32)
        self.used = self.row_keys.shape[0]
        self._build(1 << max(10, int(2 * self.used).bit_length()))

    def group(self, rows: Rows) -> Grouping:
        """The entries of ``rows`` (entries,) or (entries, names) by the row they name."""
        names = 1 if rows.ndim == 1 else rows.shape[1]
        members = np.empty(rows.size, np.int32)
        distinct = np.empty(min(rows.size, self.used), np.int32)
        starts = np.empty(distinct.shape[0] + 1, np.int32)
        groups = kernel().group_rows(
            rows, rows.shape[0], names, self._scratch, distinct, starts, members
        )
        return Grouping(distinct[:groups], starts[: groups + 1], members)

    def move(self, rows: Rows, gradients: Floats, adam: Adam, spread: Spread) -> None:
        """One Adam step of the named rows, which must be distinct."""

        def part(first: int, last: int) -> None:
            kernel().move_rows(
                *(self.weights, self.means, self.squares, self.width, rows, gradients),
                *(first, last, adam.rate, adam.decay, adam.beta_1, adam.beta_2, adam.epsilon),
            )

        spread(part, rows.shape[0])

    @property
    def slots(self) -> tuple[Keys, Rows]:
        """The hash table: keys and the rows they stand for, a power of two of each."""
        return self._keys, self._rows

    @property
    def _mask(self) -> int:
        return int(self._keys.shape[0]) - 1

    def _build(self, slots: int) -> None:
        self._keys: Keys = np.full(slots, EMPTY, np.uint64)
        self._rows: Rows = np.empty(slots, np.int32)
        kernel().rebuild_table(self.row_keys, self.used, self._keys, self._rows, self._mask)


class EntityTable(RowTable):
    """At most ``limit`` entity vectors, by the 32-bit hash of the entity.

    Each new entity gets the next vector; those that come when all are given away share them. A
    vector starts at zero: an entity without one has the score 0 with every address, odds of one to
    one.
    """

    def __init__(self, width: int, limit: int) -> None:
        super().__init__(width)
        self.limit = limit

    def admit(self, entities: Names) -> None:
        """Give the entities that have none a row, while there are any."""
        self.reserve(min(entities.shape[0], self.limit - self.used))
        self.used = kernel().admit_entities(
            *(entities, entities.shape[0], self._keys, self._rows, self._mask),
            *(self.row_keys, self.used, self.limit),
        )

    def find(self, entities: Names) -> Rows:
        """The row of each entity, -1 for one that has none."""
        rows = np.empty(entities.shape[0], np.int32)
        kernel().find_entities(
            *(entities, entities.shape[0], self._keys, self._rows, self._mask),
            *(self.used, self.limit, rows),
        )
        return rows


class PrefixTable(RowTable):
    """Vectors of an address's four octets and of those of its prefixes that training has met.

    The octets' rows tell every two addresses apart. A prefix gets a row when a real address in it
    is first seen, so that generated addresses take no room: for each length at most ``wanted``
    prefixes, within bounds that keep the table small, and half as many whole addresses.
    """

    def __init__(self, width: int, *, wanted: int, seed: int, scale: float) -> None:
        super().__init__(width)
        self._seed = seed
        self._scale = scale
        self.lengths: Rows = np.array(PREFIX_LENGTHS, np.int32)
        limit = min(max(wanted, FEWEST_PREFIXES_PER_LENGTH), MOST_PREFIXES_PER_LENGTH)
        affordable = PREFIX_TABLE_BYTES // (4 * width * self.lengths.shape[0])
        self._limits = np.full(self.lengths.shape[0], min(limit, affordable), np.int64)
        self._limits[self.lengths == ADDRESS_BITS] //= 2
        self._counts = np.zeros(self.lengths.shape[0], np.int64)
        self.reserve(OCTET_ROWS)
        # Octets are no keys: these only seed the rows' numbers.
        self.row_keys[:OCTET_ROWS] = np.arange(OCTET_ROWS, dtype=np.uint64) | np.uint64(1 << 63)
        self._take(OCTET_ROWS)

    @property
    def names(self) -> int:
        """How many rows an address names at most."""
        return 4 + int(self.lengths.shape[0])

    def admit(self, addresses: Names) -> None:
        """Give the prefixes of real addresses rows."""
        self.reserve(min(addresses.shape[0] * self.lengths.shape[0], self._room()))
        used = kernel().admit_prefixes(
            *(addresses, addresses.shape[0], self.lengths, self.lengths.shape[0]),
            *(self._counts, self._limits, self._keys, self._rows, self._mask),
            *(self.row_keys, self.used),
        )
        self._take(used)

    def find(self, addresses: Names, spread: Spread) -> Rows:
        """The rows that each address names, (addresses, names), -1 where it names none."""
        rows = np.empty((addresses.shape[0], self.names), np.int32)

        def part(first: int, last: int) -> None:
            kernel().find_prefixes(
                *(addresses, first, last, self.lengths, self.lengths.shape[0]),
                *(self._keys, self._rows, self._mask, rows),
            )

        spread(part, addresses.shape[0])
        return rows

    def _room(self) -> int:
        return int((self._limits - self._counts).sum())

    def _take(self, used: int) -> None:
        kernel().initialise_rows(
            self.weights, self.used, used, self.width, self.row_keys, self._seed, self._scale
        )
        self.used = used


def _grown(array: NDArray[Any], capacity: int, used: int) -> NDArray[Any]:
    """The array with room for ``capacity`` rows, of which the system gives only those written."""
    grown = np.zeros((capacity, *array.shape[1:]), array.dtype)
    grown[:used] = array[:used]
    return grown
