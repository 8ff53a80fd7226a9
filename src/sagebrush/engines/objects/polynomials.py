"""Cyclic redundancy checks that Python's zlib does not have, and joining checks of parts.

Notation: a reflected CRC of `width` bits over GF(2), initial value and final exclusive-or all
ones. With raw(M) the remainder of the message M started at zero, raw(A || B) = raw(A) * x^(8|B|)
+ raw(B), from which both tricks here follow: lanes of a block advance side by side (bytes of 1024
lanes as one table look-up by `bytes.translate`, sums as one big-integer exclusive-or) and are
joined at the end; and the check of a whole follows from the checks and sizes of its parts.
The parameters are those of the catalogue of parametrised CRC algorithms (CRC-32/ISO-HDLC,
CRC-32/ISCSI, CRC-64/NVME).
"""

from __future__ import annotations

from functools import cached_property, lru_cache

_LANES = 1024
_LANE_BYTES = 1024
_BLOCK_BYTES = _LANES * _LANE_BYTES


class Polynomial:
    """A reflected CRC: `polynomial` is the reversed representation of `width` bits."""

    def __init__(self, width: int, polynomial: int) -> None:
        self.width = width
        self.polynomial = polynomial
        self.ones = (1 << width) - 1

    def update(self, check: int, data: bytes) -> int:
        """Return the check of everything before (`check`, 0 at first) followed by `data`."""
        state = check ^ self.ones
        whole = len(data) - len(data) % _BLOCK_BYTES
        for start in range(0, whole, _BLOCK_BYTES):
            block = data[start : start + _BLOCK_BYTES]
            state = self.multiply(self.power(8 * _BLOCK_BYTES), state) ^ self._raw_block(block)
        table = self._table
        for byte in memoryview(data)[whole:]:
            state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
        return state ^ self.ones

    def combine(self, first: int, second: int, second_size: int) -> int:
        """Return the check of A || B from the checks of A and B and the size of B in bytes."""
        return self.multiply(self.power(8 * second_size), first) ^ second

    def multiply(self, a: int, b: int) -> int:
        """Return the product of two residues (highest coefficient in the lowest bit)."""
        product = 0
        bit = 1 << (self.width - 1)
        while a:
            if a & bit:
                product ^= b
                a ^= bit
            bit >>= 1
            b = (b >> 1) ^ self.polynomial if b & 1 else b >> 1
        return product

    @lru_cache(maxsize=1024)  # noqa: B019  # three instances live as long as the process
    def power(self, exponent: int) -> int:
        """Return x to the power `exponent`, reduced."""
        result = 1 << (self.width - 1)
        square = 1 << (self.width - 2)
        while exponent:
            if exponent & 1:
                result = self.multiply(square, result)
            square = self.multiply(square, square)
            exponent >>= 1
        return result

    def _raw_block(self, block: bytes) -> int:
        """Return raw(block) for exactly `_BLOCK_BYTES`; lane j is its j-th run of bytes."""
        translations = self._translations
        planes = [0] * len(translations)  # plane i: byte i of every lane's state
        for position in range(_LANE_BYTES):
            column = int.from_bytes(block[position::_LANE_BYTES], "little")
            index = (planes[0] ^ column).to_bytes(_LANES, "little")
            planes.append(0)
            planes = [
                int.from_bytes(index.translate(translation), "little") ^ following
                for translation, following in zip(translations, planes[1:], strict=True)
            ]
        lanes = [plane.to_bytes(_LANES, "little") for plane in planes]
        return self._join_lanes(lanes)

    def _join_lanes(self, planes: list[bytes]) -> int:
        state = 0
        shift = self._lane_shift
        size = self.width // 8
        for lane_state in zip(*planes, strict=True):
            shifted = 0
            for table, byte in zip(shift, state.to_bytes(size, "little"), strict=True):
                shifted ^= table[byte]
            state = shifted ^ int.from_bytes(bytes(lane_state), "little")
        return state

    @cached_property
    def _table(self) -> list[int]:
        table = []
        for byte in range(256):
            value = byte
            for _ in range(8):
                value = (value >> 1) ^ self.polynomial if value & 1 else value >> 1
            table.append(value)
        return table

    @cached_property
    def _translations(self) -> list[bytes]:
        """Byte i of every entry of the table, as a table for `bytes.translate`."""
        return [
            bytes((entry >> (8 * index)) & 0xFF for entry in self._table)
            for index in range(self.width // 8)
        ]

    @cached_property
    def _lane_shift(self) -> list[list[int]]:
        """For each byte of a state: its value times x^(8 * _LANE_BYTES)."""
        factor = self.power(8 * _LANE_BYTES)
        return [
            [self.multiply(factor, byte << (8 * index)) for byte in range(256)]
            for index in range(self.width // 8)
        ]


CRC32 = Polynomial(32, 0xEDB88320)
CRC32C = Polynomial(32, 0x82F63B78)
CRC64NVME = Polynomial(64, 0x9A6C9329AC4BC9B5)
