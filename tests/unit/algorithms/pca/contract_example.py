"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.pca.model:PCA"

PCA = {"feature_dim": "4", "num_components": "2", "mini_batch_size": "20"}
METRICS = (
    "train:progress",
    "train:throughput",
    "test:reconstruction_loss",
    "test:explained_variance_ratio",
)

EXAMPLES = (
    Example("pca", PCA, metrics=METRICS, labelled=False, name="regular"),
    Example(
        "pca",
        PCA | {"algorithm_mode": "randomized", "extra_components": "1", "epochs": "2"},
        metrics=METRICS,
        labelled=False,
        name="randomized",
    ),
)
