"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.random_cut_forest.model:RandomCutForest"

EXAMPLES = (
    Example(
        "randomcutforest",
        {"feature_dim": "4", "num_trees": "50", "num_samples_per_tree": "32"},
        classes=2,
        metrics=(
            "train:progress",
            "train:throughput",
            "test:f1",
            "test:precision",
            "test:recall",
            "test:accuracy",
        ),
        bad_data={
            "label_out_of_range": "the train channel reads no labels",
            "single_class": "the train channel reads no labels",
        },
    ),
)
