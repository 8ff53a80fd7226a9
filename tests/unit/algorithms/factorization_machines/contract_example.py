"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.factorization_machines.model:FactorizationMachine"

MACHINE = {
    "feature_dim": "4",
    "num_factors": "3",
    "mini_batch_size": "20",
    "epochs": "3",
    "factors_lr": "0.01",
    "linear_lr": "0.1",
}

EXAMPLES = (
    Example(
        "factorization-machines",
        MACHINE | {"predictor_type": "regressor"},
        metrics=(
            "train:progress",
            "train:throughput",
            "train:rmse",
            "train:mse:epoch",
            "test:rmse",
            "test:mse",
            "test:absolute_loss",
        ),
        name="regressor",
    ),
    Example(
        "factorization-machines",
        MACHINE | {"predictor_type": "binary_classifier"},
        classes=2,
        metrics=(
            "train:binary_classification_accuracy",
            "train:binary_f_beta:epoch",
            "test:binary_classification_accuracy",
            "test:binary_classification_cross_entropy",
            "test:binary_f_beta",
        ),
        name="binary",
    ),
)
