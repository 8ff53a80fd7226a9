"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.lda.model:LDA"

EXAMPLES = (
    Example(
        "lda",
        {"num_topics": "3", "feature_dim": "4", "mini_batch_size": "30"},
        metrics=("test:pwll",),
        labelled=False,
        counts=True,
    ),
)
