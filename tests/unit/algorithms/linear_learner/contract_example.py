"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.linear_learner.model:LinearLearner"

LINEAR = {"feature_dim": "4", "mini_batch_size": "20", "epochs": "2", "num_models": "4"}

EXAMPLES = (
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
)
