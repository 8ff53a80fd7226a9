"""Random projections that nearly keep distances and inner products (Johnson-Lindenstrauss).

``sign``   x R / sqrt(t), R a (d, t) matrix of random signs (D. Achlioptas, "Database-friendly
           random projections", JCSS 66, 2003). O(d t) per row.
``fjlt``   sqrt(d/t) times t random entries of the cosine transform of x with random signs: the
           subsampled form of N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform",
           SIAM J. Computing 39, 2009, which works for any d. O(d log d) per row.

A projection is known by four numbers: its kind, seed and both widths. It draws raw bits of PCG64,
whose stream numpy promises never to change, so a stored model projects alike for ever.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class Projection:
    """A random map of ``input_dim`` to ``target_dim`` features; ``kind`` is sign or fjlt."""

    kind: str
    seed: int
    input_dim: int
    target_dim: int

    def __call__(self, rows: Floats) -> Floats:
        """The (rows, target_dim) float32 projections of (rows, input_dim) rows."""
        if self.kind == "sign":
            return np.asarray(rows @ self._matrix)
        result = np.empty((rows.shape[0], self.target_dim), np.float32)
        step = max(1, BLOCK_VALUES // self._length)
        for first in range(0, rows.shape[0], step):
            signed = rows[first : first + step] * self._signs
            # A target beyond the input's width reads entries of a transform of padded rows.
            spectrum = scipy.fft.dct(signed, n=self._length, axis=1, norm="ortho")
            result[first : first + step] = spectrum[:, self._chosen]
        result *= np.float32(np.sqrt(self._length / self.target_dim))
        return result

    def describe(self) -> dict[str, Any]:
        """The projection in the form of the model's metadata file."""
        return {
            "type": self.kind,
            "seed": self.seed,
            "target_dim": self.target_dim,
            "input_dim": self.input_dim,
        }

    @property
    def _length(self) -> int:
        return max(self.input_dim, self.target_dim)

    @cached_property
    def _matrix(self) -> Floats:
        signs = _signs(self._bits(self.input_dim * self.target_dim))
        scale = np.float32(1.0 / np.sqrt(self.target_dim))
        return np.asarray(signs.reshape(self.input_dim, self.target_dim) * scale)

    @cached_property
    def _signs(self) -> Floats:
        return _signs(self._bits(self.input_dim))

    @cached_property
    def _chosen(self) -> NDArray[np.int64]:
        keys = self._bits(self.input_dim + self._length)[self.input_dim :]
        return np.argsort(keys, kind="stable")[: self.target_dim]

    def _bits(self, count: int) -> NDArray[np.uint64]:
        return np.asarray(np.random.PCG64(self.seed).random_raw(count), np.uint64)


def _signs(bits: NDArray[np.uint64]) -> Floats:
    """+1 and -1 by the highest bit."""
    return np.where(bits >> np.uint64(63), np.float32(1), np.float32(-1))
