"""The documented hyperparameters of principal component analysis: types, ranges, defaults."""

from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Boolean, Categorical, Integer
from sagebrush.algorithms.hyperparameters import Schema

MODES = ("regular", "randomized")


def _check_components(values: dict[str, Any]) -> None:
    if values["num_components"] > values["feature_dim"]:
        raise ClientError(
            f"Hyperparameter 'num_components' is {values['num_components']}, more than the "
            f"{values['feature_dim']} features of 'feature_dim'."
        )


SCHEMA = Schema(
    (
        Integer(
            "feature_dim", required=True, low=1, description="The number of features of a row."
        ),
        Integer("mini_batch_size", required=True, low=1, description="Rows per mini-batch."),
        Integer(
            "num_components",
            required=True,
            low=1,
            description="The number of principal components.",
        ),
        Categorical(
            "algorithm_mode",
            default="regular",
            choices=MODES,
            description="The exact covariance, or a random sketch of it for many features.",
        ),
        Integer(
            "extra_components",
            default=-1,
            low=-1,
            description="Columns of the sketch beyond num_components; -1 is the larger of 10 and "
            "num_components. Only for the randomized mode.",
        ),
        Boolean(
            "subtract_mean",
            default=True,
            description="Whether the mean is subtracted, in training and at inference.",
        ),
        Integer(
            "epochs",
            default=1,
            low=1,
            hidden=True,
            description="Passes over the data, of which the randomized mode makes each count.",
        ),
        Boolean(
            "force_dense",
            default=True,
            hidden=True,
            description="Whether sparse rows are made dense; results are the same either way.",
        ),
    ),
    rules=(_check_components,),
)
