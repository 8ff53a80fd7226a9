"""The documented hyperparameters of Factorization Machines: types, ranges, defaults.

Source: "Factorization Machines Hyperparameters" and "Tune a Factorization Machines Model" in
Amazon SageMaker's developer guide; the hidden three are named in the image's own log.
"""

from typing import Any

from sagebrush.algorithms.factorization_machines.settings import (
    GROUPS,
    INIT_METHODS,
    PREDICTOR_TYPES,
    Settings,
)
from sagebrush.algorithms.hyperparameter_fields import (
    Boolean,
    Categorical,
    Continuous,
    Field,
    Integer,
)
from sagebrush.algorithms.hyperparameters import Schema

TUNE_LOW, TUNE_HIGH = 1e-8, 512.0
# Rows of the widest sparse record, and what an int32 column index can name.
MAX_FEATURE_DIM = (1 << 31) - 1

_DEFAULT = Settings(feature_dim=1, num_factors=1)
_TITLES = {"bias": "the bias", "linear": "the linear weights", "factors": "the factors"}


def _group_fields(group: str) -> tuple[Field, ...]:
    title = _TITLES[group]

    def default(name: str) -> Any:
        return getattr(_DEFAULT, f"{group}_{name}")

    def number(name: str, description: str, low: float | None = 0.0) -> Continuous:
        return Continuous(
            f"{group}_{name}",
            default=default(name),
            low=low,
            tunable=True,
            tune_low=TUNE_LOW,
            tune_high=TUNE_HIGH,
            description=description,
        )

    return (
        number("lr", f"Learning rate of {title}."),
        number("wd", f"Weight decay of {title}."),
        Categorical(
            f"{group}_init_method",
            default=default("init_method"),
            choices=INIT_METHODS,
            description=f"How {title} start.",
        ),
        number("init_sigma", f"Standard deviation of {title} at the start; for normal."),
        number("init_scale", f"{title.capitalize()} start between -scale and scale; for uniform."),
        number("init_value", f"Value of {title} at the start; for constant.", None),
    )


def _check_groups(values: dict[str, Any]) -> None:
    """ClientError for an initialisation method without its amount."""
    Settings(**values)


SCHEMA = Schema(
    (
        Integer(
            "feature_dim",
            required=True,
            low=1,
            high=MAX_FEATURE_DIM,
            description="The number of features of a row.",
        ),
        Integer(
            "num_factors",
            required=True,
            low=1,
            high=MAX_FEATURE_DIM,
            description="The length of a factor vector.",
        ),
        Categorical(
            "predictor_type",
            required=True,
            choices=PREDICTOR_TYPES,
            description="Whether labels are 0 and 1 or numbers.",
        ),
        Integer(
            "epochs",
            aliases=("epoch",),
            default=_DEFAULT.epochs,
            low=1,
            tunable=True,
            tune_low=1,
            tune_high=1000,
            description="Passes over the training data.",
        ),
        Integer(
            "mini_batch_size",
            default=_DEFAULT.mini_batch_size,
            low=1,
            tunable=True,
            tune_low=100,
            tune_high=10000,
            description="Rows per mini-batch.",
        ),
        *(field for group in GROUPS for field in _group_fields(group)),
        Continuous(
            "clip_gradient",
            description="Gradients are cut to lie between -clip_gradient and clip_gradient.",
        ),
        Continuous("eps", description="What the optimiser adds to its denominator; 1e-8 if unset."),
        Continuous(
            "rescale_grad",
            description="Factor of a mini-batch's summed gradient; one over its rows if unset.",
        ),
        Boolean("use_bias", default=True, hidden=True, description="Whether there is a bias."),
        Boolean(
            "use_linear", default=True, hidden=True, description="Whether there are linear weights."
        ),
        Integer(
            "batch_metrics_publish_interval",
            default=_DEFAULT.batch_metrics_publish_interval,
            low=1,
            hidden=True,
            description="Mini-batches between two that are reported in the log.",
        ),
    ),
    rules=(_check_groups,),
)
