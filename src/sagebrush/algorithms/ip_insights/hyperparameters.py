"""The documented hyperparameters of IP Insights: types, ranges, defaults.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-hyperparameters.html; tunable
ranges: https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-tuning.html
"""

from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Continuous, Integer
from sagebrush.algorithms.hyperparameters import Schema

MOST_NEGATIVES = 500


def _check_negatives(values: dict[str, Any]) -> None:
    names = ("random_negative_sampling_rate", "shuffled_negative_sampling_rate")
    total = sum(values[name] for name in names)
    if not 1 <= total <= MOST_NEGATIVES:
        raise ClientError(
            f"The sum of '{names[0]}' and '{names[1]}' must be between 1 and {MOST_NEGATIVES}, but "
            f"is {total} (caused by ValidationError)"
        )


SCHEMA = Schema(
    (
        Integer(
            "num_entity_vectors",
            required=True,
            low=1,
            high=250_000_000,
            tunable=True,
            tune_low=10_000,
            tune_high=1_000_000,
            description="The number of entity vectors to train; twice the entities is advised.",
        ),
        Integer(
            "vector_dim",
            required=True,
            low=4,
            high=4096,
            tunable=True,
            tune_low=8,
            tune_high=256,
            description="The length of the vectors of entities and addresses.",
        ),
        Integer(
            "batch_metrics_publish_interval",
            default=1000,
            low=1,
            description="Batches between two lines with the training speed and metrics.",
        ),
        Integer(
            "epochs",
            default=10,
            low=1,
            tunable=True,
            tune_low=1,
            tune_high=100,
            description="Passes over the training data.",
        ),
        Continuous(
            "learning_rate",
            default=0.001,
            low=1e-6,
            high=10.0,
            tunable=True,
            tune_low=1e-4,
            tune_high=0.1,
            description="The step size of Adam.",
        ),
        Integer(
            "mini_batch_size",
            default=10_000,
            low=1,
            high=500_000,
            tunable=True,
            tune_low=100,
            tune_high=50_000,
            description="Pairs per mini-batch.",
        ),
        Integer(
            "num_ip_encoder_layers",
            default=1,
            low=0,
            high=100,
            tunable=True,
            tune_low=1,
            tune_high=10,
            description="Dense layers that encode an address.",
        ),
        Integer(
            "random_negative_sampling_rate",
            default=1,
            low=0,
            high=MOST_NEGATIVES,
            tunable=True,
            tune_low=0,
            tune_high=10,
            description="Random addresses generated for each pair.",
        ),
        Integer(
            "shuffled_negative_sampling_rate",
            default=1,
            low=0,
            high=MOST_NEGATIVES,
            tunable=True,
            tune_low=0,
            tune_high=10,
            description="Addresses of other pairs of the mini-batch taken for each pair.",
        ),
        Continuous(
            "weight_decay",
            default=0.00001,
            low=0.0,
            high=10.0,
            tunable=True,
            tune_low=0.0,
            tune_high=1.0,
            description="The coefficient of the L2 term.",
        ),
        # `sagemaker.IPInsights` sends it when it is given a list of record sets.
        Integer(
            "feature_dim",
            low=2,
            high=2,
            hidden=True,
            description="The number of columns, which is always two.",
        ),
    ),
    rules=(_check_negatives,),
)
