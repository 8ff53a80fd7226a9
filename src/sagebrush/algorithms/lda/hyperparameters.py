"""The documented hyperparameters of LDA: types, ranges, defaults."""

from sagebrush.algorithms.hyperparameter_fields import Continuous, Integer
from sagebrush.algorithms.hyperparameters import Schema

SCHEMA = Schema(
    (
        Integer(
            "num_topics",
            required=True,
            low=1,
            tunable=True,
            tune_low=1,
            tune_high=150,
            description="The number of topics to find.",
        ),
        Integer(
            "feature_dim",
            required=True,
            low=1,
            description="The number of words of the vocabulary.",
        ),
        Integer(
            "mini_batch_size",
            required=True,
            low=1,
            description="The number of documents of the corpus. Of a larger corpus than fits in "
            "memory, the documents per update of the topics.",
        ),
        Continuous(
            "alpha0",
            default=1.0,
            low=0.0,
            low_open=True,
            tunable=True,
            tune_low=0.1,
            tune_high=10.0,
            description="The sum of the Dirichlet prior of topic mixtures; small ones are sparse.",
        ),
        Integer(
            "max_restarts",
            default=10,
            low=1,
            description="Starts of the tensor decomposition, of which the best is kept.",
        ),
        Integer(
            "max_iterations",
            default=1000,
            low=1,
            description="Iterations of the tensor decomposition at most.",
        ),
        Continuous(
            "tol",
            default=1e-8,
            low=0.0,
            low_open=True,
            description="Relative change at which the tensor decomposition ends.",
        ),
    )
)
