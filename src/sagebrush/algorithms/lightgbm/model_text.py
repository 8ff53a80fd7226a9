"""Checks a model's text before LightGBM reads it: on damaged text the library ends the process.

It starts trees in threads at the offsets of the line ``tree_sizes`` and follows child numbers
unchecked. Here the structure is checked, and without that line LightGBM reads tree by tree and
reports what is wrong with a number.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_FIRST_TREE = "\nTree="
_LAST_LINE = "\nend of trees"
_OF_NODES = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_CATEGORICAL = 1


def checked(text: str) -> str:
    """The text without ``tree_sizes``; ValueError with the cause if it is no whole model."""
    head, first, rest = text.partition(_FIRST_TREE)
    trees, end, tail = rest.partition(_LAST_LINE)
    _, settings, ending = tail.partition("\nparameters:")
    if not first or not end or (settings and "\nend of parameters" not in ending):
        raise ValueError("it is cut off, or has no trees")
    header = _fields(head)
    features = _check_header(header)
    blocks = trees.split(_FIRST_TREE)
    per_round = _whole(header, "num_tree_per_iteration")
    if len(blocks) % per_round or len(blocks) != len(header.get("tree_sizes", "").split()):
        raise ValueError(f"{len(blocks)} trees are not the number its header says")
    for number, block in enumerate(blocks):
        try:
            _check_tree(_fields(block), features)
        except ValueError as error:
            raise ValueError(f"tree {number}: {error}") from error
    kept = "\n".join(line for line in head.split("\n") if not line.startswith("tree_sizes="))
    return kept + first + trees + end + tail


def _check_header(header: Mapping[str, str]) -> int:
    """The number of features."""
    features = _whole(header, "max_feature_idx") + 1
    classes, per_round = _whole(header, "num_class"), _whole(header, "num_tree_per_iteration")
    if min(features, classes, per_round) < 1:
        raise ValueError("its header has a number below one")
    for name in ("feature_names", "feature_infos"):
        if len(_tokens(header, name)) != features:
            raise ValueError(f"{name} does not have {features} entries")
    objective = header.get("objective", "").split()
    named = next((word[10:] for word in objective if word.startswith("num_class:")), str(classes))
    if named != str(classes) or per_round != classes:
        raise ValueError(f"{per_round} trees per round do not make {classes} classes")
    return features


def _check_tree(fields: Mapping[str, str], features: int) -> None:
    leaves = _whole(fields, "num_leaves")
    if leaves < 1 or len(_tokens(fields, "leaf_value")) != leaves:
        raise ValueError(f"leaf_value does not have {leaves} numbers")
    if leaves == 1:
        return
    for name in _OF_NODES:
        if len(_tokens(fields, name)) != leaves - 1:
            raise ValueError(f"{name} does not have {leaves - 1} numbers")
    split = _integers(fields, "split_feature")
    if split.min() < 0 or split.max() >= features:
        raise ValueError(f"split_feature is not between 0 and {features - 1}")
    _check_children(_integers(fields, "left_child"), _integers(fields, "right_child"), leaves)
    _check_categories(fields)


def _check_children(left: NDArray[np.int64], right: NDArray[np.int64], leaves: int) -> None:
    """Every node but the root and every leaf hangs once, below a node of a smaller number."""
    children = np.concatenate([left, right])
    expected = np.concatenate([np.arange(-leaves, 0), np.arange(1, leaves - 1)])
    parents = np.tile(np.arange(leaves - 1), 2)
    inner = children > 0
    if not np.array_equal(np.sort(children), expected) or (parents >= children)[inner].any():
        raise ValueError("left_child and right_child make no tree")


def _check_categories(fields: Mapping[str, str]) -> None:
    sets = _whole(fields, "num_cat")
    chosen = _integers(fields, "decision_type") & _CATEGORICAL > 0
    if not sets and not chosen.any():
        return
    bounds = _integers(fields, "cat_boundaries")
    words = len(_tokens(fields, "cat_threshold"))
    if (
        len(bounds) != sets + 1
        or bounds[0] != 0
        or bounds[-1] != words
        or (np.diff(bounds) < 0).any()
    ):
        raise ValueError("cat_boundaries do not fit num_cat and cat_threshold")
    used = np.array(_tokens(fields, "threshold"), np.float64)[chosen]
    if len(used) and not (used.min() >= 0 and used.max() < sets):
        raise ValueError(f"a category set is not between 0 and {sets - 1}")


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.split("\n"))
    return {name: value for name, equals, value in lines if equals}


def _tokens(fields: Mapping[str, str], name: str) -> list[str]:
    if name not in fields:
        raise ValueError(f"{name} is missing")
    return fields[name].split()


def _integers(fields: Mapping[str, str], name: str) -> NDArray[np.int64]:
    try:
        return np.array(_tokens(fields, name), np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from error


def _whole(fields: Mapping[str, str], name: str) -> int:
    value = _integers(fields, name)
    if len(value) != 1:
        raise ValueError(f"{name} is not one number")
    return int(value[0])
