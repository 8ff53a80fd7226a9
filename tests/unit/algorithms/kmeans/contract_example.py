"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import BadData, Example

ESTIMATOR = "sagebrush.algorithms.kmeans.model:KMeans"

EXAMPLES = (
    Example(
        "kmeans",
        {"k": "3", "feature_dim": "4", "mini_batch_size": "30"},
        metrics=("train:progress", "train:throughput", "train:msd", "test:msd"),
        labelled=False,
        bad_data={
            "label_out_of_range": "K-Means reads no labels",
            "single_class": BadData(
                b"1,2,3,4\n5,6,7,8\n",
                r"holds 2 examples, fewer than the 3 clusters asked for by 'k'",
                "text/csv;label_size=0",
            ),
        },
    ),
)
