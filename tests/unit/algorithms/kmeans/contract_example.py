"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.kmeans.model:KMeans"

EXAMPLES = (
    Example(
        "kmeans",
        {"k": "3", "feature_dim": "4", "mini_batch_size": "30"},
        metrics=("train:progress", "train:throughput", "train:msd", "test:msd"),
        labelled=False,
    ),
)
