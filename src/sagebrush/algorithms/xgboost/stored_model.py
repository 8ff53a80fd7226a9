"""Reads an ``xgboost-model`` file of any age into a model document and its trees.

xgboost's JSON and UBJSON files share one document layout (doc/model.schema of dmlc/xgboost);
older binary files are brought into it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.xgboost import objectives, ubjson
from sagebrush.algorithms.xgboost.forest import Forest, Tree, flatten
from sagebrush.algorithms.xgboost.legacy import read_legacy_model
from sagebrush.algorithms.xgboost.pickled import PickleLayout, read_pickled_booster

_PICKLE_PROTOCOL_MARKER = b"\x80"
_PICKLE_TEXT_STARTS = (b"ccopy_reg", b"ccopyreg")
_FIRST_VERSION_WITHOUT_TREE_LIMIT = 2
_LEGACY_HEAD_BYTES = 256


class UnreadableModelError(Exception):
    """The file holds no model that can be read here; the message says which formats were tried."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model file's content.

    ``raw`` is what xgboost's ``load_model`` takes; ``is_legacy`` says that only versions before 3.1
    take it. ``document`` is None for linear models in the old binary format, which only they read.
    ``best_ntree_limit`` bounds the trees per output used by predictions, 0 for all of them.
    """

    raw: bytes
    document: Mapping[str, Any] | None
    pickle_layout: PickleLayout | None = None
    is_legacy: bool = False
    best_ntree_limit: int = 0

    @property
    def is_pickle(self) -> bool:
        """Whether the file is a pickled Booster."""
        return self.pickle_layout is not None


def read_stored_model(path: Path) -> StoredModel:
    """The model in the file; UnreadableModelError says why it holds none."""
    data = path.read_bytes()
    if not data.startswith((_PICKLE_PROTOCOL_MARKER, *_PICKLE_TEXT_STARTS)):
        return _plain(data)
    try:
        pickled = read_pickled_booster(data)
    except ValueError as error:
        raise UnreadableModelError(f"Pickle load error={error}") from error
    model = _plain(pickled.model)
    limit = pickled.best_ntree_limit or model.best_ntree_limit
    return replace(model, pickle_layout=pickled.layout, best_ntree_limit=limit)


def _plain(data: bytes) -> StoredModel:
    if not data.startswith(b"{"):
        return _legacy(data)
    try:
        document = json.loads(data) if _is_json(data) else ubjson.decode(data)
        raw: bytes | None = data
        if "Model" in document:
            document = document["Model"]
            text = _is_json(data)
            raw = json.dumps(document).encode() if text else ubjson.member_bytes(data, "Model")
        return StoredModel(raw or b"", document, best_ntree_limit=_tree_limit(document))
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableModelError(f"XGB load model error={error!r}") from error


def _legacy(data: bytes) -> StoredModel:
    try:
        document = read_legacy_model(data)
    except ValueError as error:
        if b"gblinear" in data[:_LEGACY_HEAD_BYTES]:
            return StoredModel(data, None, is_legacy=True)
        raise UnreadableModelError(f"XGB load model error={error}") from error
    limit = _tree_limit(document)
    return StoredModel(data, document, is_legacy=True, best_ntree_limit=limit)


def _is_json(data: bytes) -> bool:
    return data[1:].lstrip().startswith((b'"', b"}"))


def _tree_limit(document: Mapping[str, Any]) -> int:
    """Versions before 2 predicted with the trees up to the best iteration, if it was stored."""
    if int(document.get("version", [0])[0]) >= _FIRST_VERSION_WITHOUT_TREE_LIMIT:
        return 0
    limit = document["learner"].get("attributes", {}).get("best_ntree_limit", "0")
    return int(limit) if str(limit).isdigit() else 0


@dataclass(frozen=True, slots=True)
class ModelHead:
    """What a model says about itself: its objective and the sizes of its input and output."""

    objective: str
    num_feature: int
    num_class: int
    base_scores: NDArray[np.float32]

    @property
    def outputs(self) -> int:
        """Margins per row: the number of classes, or 1."""
        return max(self.num_class, 1)


def head_of(document: Mapping[str, Any]) -> ModelHead:
    """The head of a model document."""
    learner = document["learner"]
    parameters = learner["learner_model_param"]
    scores = str(parameters["base_score"]).strip("[]").split(",")
    return ModelHead(
        objective=learner["objective"]["name"],
        num_feature=int(parameters["num_feature"]),
        num_class=int(parameters["num_class"]),
        base_scores=np.array([float(score) for score in scores], np.float32),
    )


def forest_of(document: Mapping[str, Any], best_ntree_limit: int = 0) -> Forest | None:
    """The model's trees in walking order; None for models that only xgboost can evaluate.

    Those are linear boosters, trees with categorical splits or vector leaves, several targets,
    and unknown objectives.
    """
    head = head_of(document)
    learner = document["learner"]
    booster = learner["gradient_booster"]
    weights = booster.get("weight_drop")
    booster = booster.get("gbtree", booster)
    model = booster.get("model", {})
    targets = int(learner["learner_model_param"].get("num_target", 1))
    if "trees" not in model or targets > 1 or head.objective not in objectives.KNOWN:
        return None
    count = len(model["trees"])
    if best_ntree_limit:
        count = min(count, best_ntree_limit * head.outputs)
    trees = []
    for index, stored in enumerate(model["trees"][:count]):
        if _only_for_xgboost(stored):
            return None
        weight = 1.0 if weights is None else float(weights[index])
        trees.append(_tree(stored, int(model["tree_info"][index]), weight))
    return flatten(trees, _intercepts(head, learner["learner_model_param"]), head.num_feature)


def _intercepts(head: ModelHead, parameters: Mapping[str, Any]) -> NDArray[np.float32]:
    """Each output's margin before the first tree."""
    if "base_margin" in parameters:
        return np.full(head.outputs, parameters["base_margin"], np.float32)
    scores = np.broadcast_to(head.base_scores, (head.outputs,)).tolist()
    margins = [objectives.intercept_margin(head.objective, score) for score in scores]
    return np.array(margins, np.float32)


def _only_for_xgboost(stored: Mapping[str, Any]) -> bool:
    leaf_size = int(stored["tree_param"].get("size_leaf_vector", "1"))
    return leaf_size > 1 or bool(np.any(np.asarray(stored.get("split_type", []), np.uint8)))


def _tree(stored: Mapping[str, Any], output: int, weight: float) -> Tree:
    return Tree(
        left=np.asarray(stored["left_children"], np.intp),
        right=np.asarray(stored["right_children"], np.intp),
        columns=np.asarray(stored["split_indices"], np.intp),
        values=np.asarray(stored["split_conditions"], np.float32),
        default_left=np.asarray(stored["default_left"], np.bool_),
        output=output,
        weight=weight,
    )
