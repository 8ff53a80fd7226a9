"""The vectors of one pair at a time, for which many small arrays would cost most of the time."""

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.ip_insights.encoder import Doubles
from sagebrush.algorithms.ip_insights.kernel import Tables, kernel

if TYPE_CHECKING:
    from sagebrush.algorithms.ip_insights.model import IPInsights

NO_PAIR = 2**64 - 1
# Layers that take no more in double precision are kept so instead of converted each time.
FIXED_BYTES = 1 << 26


def read_pair(text: bytes) -> NDArray[np.uint64] | None:
    """The packed pair, shape (1,), of a text that is one line with one; None for any other."""
    packed = kernel().read_pair(text, len(text))
    return None if packed == NO_PAIR else np.array([packed], np.uint64)


class LonePair:
    """Predicts single pairs with a model; one that is trained further needs another."""

    def __init__(self, model: "IPInsights") -> None:
        entities, prefixes = model.entities, model.prefixes
        entity_keys, entity_rows = entities.slots
        prefix_keys, prefix_rows = prefixes.slots
        arrays = {
            "entity_keys": entity_keys,
            "entity_rows": entity_rows,
            "entity_weights": entities.weights,
            "prefix_keys": prefix_keys,
            "prefix_rows": prefix_rows,
            "prefix_weights": prefixes.weights,
            "lengths": prefixes.lengths,
        }
        # The structure holds addresses only, so the arrays must live as long as it.
        self._arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        addresses = {name: array.ctypes.data for name, array in self._arrays.items()}
        self._tables = Tables(
            **addresses,
            entity_mask=len(entity_keys) - 1,
            prefix_mask=len(prefix_keys) - 1,
            entities_used=entities.used,
            entity_limit=entities.limit,
            levels=len(prefixes.lengths),
            width=model.vector_dim,
        )
        self._shape = (3, 1, model.vector_dim)
        self._room = ctypes.c_double * (3 * model.vector_dim)
        self._reference = ctypes.byref(self._tables)
        self._embed = kernel().embed_pair
        self._encoder = model.encoder
        layers, width = len(model.encoder.layers), model.vector_dim
        is_small = 8 * layers * width * width <= FIXED_BYTES
        self._layers = [layer.fixed() for layer in model.encoder.layers] if is_small else None

    def embeddings(self, packed: int) -> tuple[Doubles, Doubles]:
        """As `IPInsights.embeddings` of the packed pair alone, bit by bit."""
        room: Any = self._room()
        self._embed(self._reference, packed, room)
        entity, address, _ = np.ndarray(self._shape, np.float64, room)
        if self._layers is None:
            return entity, self._encoder.apply(address)
        for layer in self._layers:
            address = layer.apply(address)
        return entity, address
