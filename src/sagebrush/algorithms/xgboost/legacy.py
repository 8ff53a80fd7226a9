"""Reads the binary model format that xgboost wrote before version 2.1 and can no longer read.

Layout (little-endian), after an optional ``binf``: the learner's parameters, the names of the
objective and the booster, the booster's parameters, its trees (parameters, nodes, statistics of
each), each tree's output, for dart the trees' weights, and the learner's attributes.
"""

import struct
from typing import Any

import numpy as np

_MAGIC = b"binf"
_LEARNER = struct.Struct("<fIiiiIII104x")
_BOOSTER = struct.Struct("<ii20xi128x")
_TREE = struct.Struct("<4xi12xi124x")
_LENGTH = struct.Struct("<Q")
_NODE = np.dtype(
    [("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("split", "<u4"), ("value", "<f4")]
)
_STATISTICS_BYTES = 16
_DEFAULT_LEFT = np.uint32(1 << 31)
_LONGEST_NAME = 1 << 16
_MOST_CLASSES = 1 << 20


def read_legacy_model(data: bytes) -> dict[str, Any]:
    """The model as a document in the layout of the JSON format, as far as predictions need it.

    ``learner_model_param`` of models older than 1.0 has ``base_margin`` in place of a base score,
    since those stored it that way. ValueError if the data is no such model, and for a linear
    booster.
    """
    try:
        return _Reader(data).document()
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"no binary model: {error}") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = len(_MAGIC) if data.startswith(_MAGIC) else 0

    def fields(self, layout: struct.Struct) -> tuple[Any, ...]:
        values = layout.unpack_from(self.data, self.position)
        self.position += layout.size
        return values

    def length(self, most: int) -> int:
        (size,) = self.fields(_LENGTH)
        if size > most:
            raise ValueError("no binary model: a length is out of range")
        return int(size)

    def text(self) -> str:
        size = self.length(min(_LONGEST_NAME, len(self.data) - self.position))
        start = self.position
        self.position += size
        return self.data[start : self.position].decode()

    def array(self, dtype: Any, count: int) -> Any:
        kind = np.dtype(dtype)
        if count < 0 or self.position + count * kind.itemsize > len(self.data):
            raise ValueError("no binary model: the data ends early")
        values = np.frombuffer(self.data, kind, count, self.position)
        self.position += count * kind.itemsize
        return values

    def document(self) -> dict[str, Any]:
        score, width, classes, has_attributes, _, major, minor, targets = self.fields(_LEARNER)
        if not 0 <= classes <= _MOST_CLASSES:
            raise ValueError("no binary model: the number of classes is out of range")
        objective, booster_name = self.text(), self.text()
        if booster_name not in {"gbtree", "dart"}:
            raise ValueError(f"a {booster_name[:20]!r} booster in the binary format")
        booster = self.booster(booster_name)
        attributes = self.attributes() if has_attributes else {}
        parameters: dict[str, Any] = {
            "num_feature": str(width),
            "num_class": str(classes),
            "num_target": str(max(targets, 1)),
            "base_score": repr(score),
        }
        if major < 1:
            parameters["base_margin"] = score
        return {
            "version": [major, minor, 0],
            "learner": {
                "attributes": attributes,
                "gradient_booster": booster,
                "learner_model_param": parameters,
                "objective": {"name": objective},
            },
        }

    def booster(self, name: str) -> dict[str, Any]:
        tree_count, parallel_trees, leaf_size = self.fields(_BOOSTER)
        if leaf_size > 1:
            raise ValueError("vector leaves in the binary format")
        if not 0 <= tree_count * _TREE.size <= len(self.data):
            raise ValueError("no binary model: the number of trees is out of range")
        trees = [self.tree() for _ in range(tree_count)]
        model = {
            "gbtree_model_param": {"num_parallel_tree": str(max(parallel_trees, 1))},
            "trees": trees,
            "tree_info": self.array("<i4", tree_count),
        }
        if name == "gbtree":
            return {"name": name, "model": model}
        weights = self.array("<f4", self.length(tree_count)) if tree_count else []
        return {"name": name, "gbtree": {"model": model}, "weight_drop": weights}

    def tree(self) -> dict[str, Any]:
        node_count, leaf_size = self.fields(_TREE)
        nodes = self.array(_NODE, node_count)
        self.array("u1", node_count * _STATISTICS_BYTES)
        return {
            "tree_param": {"size_leaf_vector": str(leaf_size)},
            "left_children": nodes["left"],
            "right_children": nodes["right"],
            "split_indices": nodes["split"] & ~_DEFAULT_LEFT,
            "default_left": (nodes["split"] & _DEFAULT_LEFT) != 0,
            "split_conditions": nodes["value"],
        }

    def attributes(self) -> dict[str, str]:
        count = self.length(_LONGEST_NAME)
        return {self.text(): self.text() for _ in range(count)}
