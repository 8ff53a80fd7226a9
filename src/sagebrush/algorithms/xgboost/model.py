"""A trained model that predicts: walked trees for a few rows, xgboost for many.

model = Model.load(Path("xgboost-model"))
predictions = model.predict(features)        # float32 (rows, columns), NaN where missing
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.xgboost import objectives, ubjson
from sagebrush.algorithms.xgboost.explanations import EXPLANATIONS
from sagebrush.algorithms.xgboost.forest import Forest
from sagebrush.algorithms.xgboost.stored_model import (
    ModelHead,
    StoredModel,
    UnreadableModelError,
    forest_of,
    head_of,
    read_stored_model,
)

Floats = NDArray[np.float32]

WALKED_VISITS = 400_000
"""Up to this many node visits one thread's walking beats a call into xgboost, of any threads."""


class WidthError(ValueError):
    """The rows have more columns than the model was trained with."""


class Model:
    """One model file.

    ``head`` names its objective and sizes. The xgboost library is imported only when a prediction
    needs it: for many rows, and for models whose trees cannot be walked. Models in the old binary
    format, which today's library does not read, are always walked.
    """

    def __init__(self, stored: StoredModel, threads: int = 1) -> None:
        self.is_pickle = stored.is_pickle
        self.threads = threads
        self._raw = stored.raw
        self._only_walks = stored.is_legacy and stored.document is not None
        self._tree_limit = stored.best_ntree_limit
        document = stored.document
        if document is None:
            document = ubjson.decode(bytes(self.booster.save_raw("ubj")))
        self.head: ModelHead = head_of(document)
        self.forest: Forest | None = forest_of(document, self._tree_limit)
        self._rounds = _rounds(document, self._tree_limit)

    @classmethod
    def load(cls, path: Path, threads: int = 1) -> Model:
        """The model in a file of xgboost's JSON, UBJSON or binary format, or a pickled Booster.

        UnreadableModelError names the file and why no format fits.
        """
        try:
            return cls(read_stored_model(path), threads)
        except (UnreadableModelError, KeyError, TypeError, ValueError) as error:
            raise UnreadableModelError(f"Model {path} cannot be loaded:\n{error}") from error

    @cached_property
    def booster(self) -> Any:
        """The model as xgboost's Booster; UnreadableModelError if this xgboost cannot read it."""
        import xgboost

        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(self._raw))
        except xgboost.core.XGBoostError as error:
            reason = str(error).partition("\n")[0]
            raise UnreadableModelError(
                f"XGB load model error={reason}\nxgboost {xgboost.__version__} cannot read it. "
                "Linear models of images up to 1.7-1 are served by image version 1.7-1 or older."
            ) from error
        booster.set_param("nthread", self.threads)
        return booster

    def predict(self, features: Any) -> Floats:
        """Predictions of shape (rows,), or (rows, classes) for ``multi:softprob``.

        ``features`` is a (rows, columns) float32 array with NaN where missing, or a CSR matrix
        whose absent entries are missing. Results equal xgboost's to the last bit. WidthError if
        there are more columns than the model knows.
        """
        self._require_width(features)
        forest = self.forest
        if forest is None:
            return self._predict_with_xgboost(features)
        if self._only_walks or forest.cost(features.shape[0]) <= WALKED_VISITS:
            return self._walk(forest, features)
        return self._predict_with_xgboost(features)

    def explain(self, features: Any, what: str) -> Floats:
        """What one of the `EXPLANATIONS` says of each row; the first axis is the rows.

        WidthError as in `predict`; UnreadableModelError when this xgboost cannot read the model.
        """
        self._require_width(features)
        return self._predict_with_xgboost(features, **EXPLANATIONS[what])

    def _require_width(self, features: Any) -> None:
        width = features.shape[1]
        if width > self.head.num_feature:
            raise WidthError(
                f"Check failed: learner_model_param_.num_feature >= p_fmat->Info().num_col_ "
                f"({self.head.num_feature} vs. {width}) : Number of columns does not match "
                "number of features in booster."
            )

    def _walk(self, forest: Forest, features: Any) -> Floats:
        margins = forest.margins(_filled(features, self.head.num_feature))
        if not self.head.num_class:
            margins = margins[:, 0]
        return objectives.transform(self.head.objective, margins)

    def _predict_with_xgboost(self, features: Any, **options: bool) -> Floats:
        import xgboost

        matrix = xgboost.DMatrix(features, nthread=self.threads)
        limit: dict[str, Any] = {"iteration_range": (0, self._rounds)} if self._rounds else {}
        return np.asarray(self.booster.predict(matrix, validate_features=False, **limit, **options))


def _filled(features: Any, width: int) -> Floats:
    """Dense rows of the model's width, NaN where nothing was given."""
    if not isinstance(features, np.ndarray):
        rows = np.full((features.shape[0], width), np.nan, np.float32)
        entries = features.tocoo()
        rows[entries.row, entries.col] = entries.data
        return rows
    if features.shape[1] == width:
        return np.asarray(features, np.float32)
    rows = np.full((features.shape[0], width), np.nan, np.float32)
    rows[:, : features.shape[1]] = features
    return rows


def _rounds(document: Any, tree_limit: int) -> int:
    if not tree_limit:
        return 0
    booster = document["learner"]["gradient_booster"]
    booster = booster.get("gbtree", booster)
    parameters = booster.get("model", {}).get("gbtree_model_param", {})
    return tree_limit // max(int(parameters.get("num_parallel_tree", 1)), 1)


class Ensemble:
    """Several models of one objective whose predictions are joined.

    Classes are decided by vote (the smallest of several commonest), anything else is averaged.
    """

    def __init__(self, models: list[Model]) -> None:
        self.models = models
        self.head = models[0].head
        self.is_pickle = models[0].is_pickle

    def predict(self, features: Any) -> Floats:
        """Predictions in the shape of each model's own."""
        predictions = np.stack([model.predict(features) for model in self.models])
        if self.head.objective not in {"multi:softmax", "binary:hinge"}:
            return np.asarray(predictions.mean(axis=0))
        classes = np.unique(predictions)
        votes = np.stack([(predictions == label).sum(axis=0) for label in classes])
        return np.asarray(classes[votes.argmax(axis=0)])

    def explain(self, features: Any, what: str) -> Floats:
        """The mean of what the models say; ValueError for leaves, which have none."""
        if what == "leaf_indices":
            raise ValueError("leaf_indices are those of one model, and here are several.")
        return np.asarray(np.mean([each.explain(features, what) for each in self.models], axis=0))
