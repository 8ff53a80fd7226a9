"""The classes found among a tabular job's whole-numbered labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError


@dataclass(frozen=True)
class Classes:
    """The distinct labels in ascending order; a class's index is its place here."""

    labels: tuple[int, ...]

    @classmethod
    def among(cls, labels: NDArray[np.float64]) -> "Classes":
        """The classes of these labels; ClientError if they are fewer than two."""
        found = np.unique(labels)
        if len(found) < 2:
            raise ClientError(
                "Classification needs at least two distinct labels; the training data has "
                + (f"only {int(found[0])}." if len(found) else "none.")
            )
        return cls(tuple(int(label) for label in found))

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.labels) == 2

    def indices(self, labels: NDArray[np.float64], part: str) -> NDArray[np.int32]:
        """Each label's class; ClientError names a label of the part that no class has."""
        known = np.array(self.labels, np.float64)
        found = np.minimum(np.searchsorted(known, labels), len(known) - 1)
        wrong = known[found] != labels
        if wrong.any():
            label = int(labels[np.flatnonzero(wrong)[0]])
            raise ClientError(f"The {part} data has the label {label}, the training data has not.")
        return found.astype(np.int32)
