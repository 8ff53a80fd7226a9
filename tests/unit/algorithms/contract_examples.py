"""One small job for each way an algorithm trains, for the contract every algorithm keeps."""

from dataclasses import dataclass, field

import numpy as np

FEATURE_DIM = 4


@dataclass(frozen=True)
class Example:
    """Hyperparameters, how many classes the labels have (0 for a real label), expected metrics.

    ``keeping_model_on_stop`` are further hyperparameters with which a stopped job leaves a model.
    """

    algorithm: str
    hyperparameters: dict[str, str]
    classes: int = 0
    metrics: tuple[str, ...] = ()
    labelled: bool = True
    name: str = ""
    keeping_model_on_stop: dict[str, str] = field(default_factory=dict)

    def rows(self, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
        """Learnable data: (count, FEATURE_DIM) float32 features and labels."""
        generator = np.random.default_rng(7)
        features = generator.normal(size=(count, FEATURE_DIM)).astype(np.float32).round(3)
        score = features @ np.array([2.0, -1.0, 0.5, 0.0], np.float32)
        if self.classes == 0:
            return features, score.round(3)
        edges = np.quantile(score, np.linspace(0, 1, self.classes + 1)[1:-1])
        return features, np.searchsorted(edges, score).astype(np.float32)


ESTIMATORS = {
    "kmeans": "sagebrush.algorithms.kmeans.model:KMeans",
    "linear-learner": "sagebrush.algorithms.linear_learner.model:LinearLearner",
}
"""Estimators of our own; XGBoost's are the library's."""

LINEAR = {"feature_dim": "4", "mini_batch_size": "20", "epochs": "2", "num_models": "4"}

EXAMPLES = (
    Example(
        "kmeans",
        {"k": "3", "feature_dim": "4", "mini_batch_size": "30"},
        metrics=("train:progress", "train:throughput", "train:msd", "test:msd"),
        labelled=False,
    ),
    Example(
        "linear-learner",
        LINEAR | {"predictor_type": "regressor"},
        metrics=("train:progress", "train:objective_loss", "validation:objective_loss", "test:mse"),
        name="regressor",
    ),
    Example(
        "linear-learner",
        LINEAR | {"predictor_type": "binary_classifier"},
        classes=2,
        metrics=("validation:binary_classification_accuracy", "test:binary_f_beta"),
        name="binary",
    ),
    Example(
        "linear-learner",
        LINEAR | {"predictor_type": "multiclass_classifier", "num_classes": "3"},
        classes=3,
        metrics=("validation:multiclass_accuracy", "test:macro_f_beta"),
        name="multiclass",
    ),
    Example(
        "xgboost",
        {"num_round": "3", "objective": "reg:squarederror"},
        metrics=("train:rmse", "validation:rmse"),
        name="regression",
        keeping_model_on_stop={"save_model_on_termination": "true"},
    ),
    Example(
        "xgboost",
        {"num_round": "3", "objective": "multi:softprob", "num_class": "3"},
        classes=3,
        metrics=("train:mlogloss", "validation:mlogloss"),
        name="classes",
        keeping_model_on_stop={"save_model_on_termination": "true"},
    ),
)
