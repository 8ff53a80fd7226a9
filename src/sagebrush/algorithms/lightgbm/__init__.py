"""LightGBM as SageMaker's model ids ``lightgbm-*-model`` train and serve it."""

from importlib.util import find_spec

from sagebrush.algorithms.card import (
    BASE_ENVIRONMENT,
    FILE_MODES,
    Card,
    Channel,
    Environment,
    Metric,
    first_party_environment,
)
from sagebrush.algorithms.lightgbm.model_ids import MODEL_IDS

CSV = "text/csv"
LIGHTGBM = Environment(
    "lightgbm", ("lightgbm==4.7.0", "numpy>=2", "scipy", "pyarrow>=17", "orjson", "httptools")
)
"""For a server whose own interpreter has no lightgbm."""

MINIMIZED_METRICS = (
    *("rmse", "l1", "l2", "huber", "fair"),
    *("binary_logloss", "binary_error", "multi_logloss", "multi_error", "cross_entropy"),
)
MAXIMIZED_METRICS = ("auc", "average_precision", "auc_mu")
METRICS = (*MINIMIZED_METRICS, *MAXIMIZED_METRICS)


def environment_of(tag: str) -> Environment:
    """The base environment where it has lightgbm, else one of its own; LookupError for no tag."""
    first_party_environment(tag)
    return LIGHTGBM if find_spec("lightgbm") is None else BASE_ENVIRONMENT


CARD = Card(
    name="lightgbm",
    title="LightGBM",
    summary="Gradient boosted trees grown leaf by leaf, for classification and regression.",
    repositories=("lightgbm",),
    channels=(
        Channel(
            "training",
            required=True,
            content_types=(CSV,),
            modes=FILE_MODES,
            aliases=("train",),
        ),
        Channel("validation", content_types=(CSV,), modes=FILE_MODES),
        Channel("model", modes=FILE_MODES, distributions=("FullyReplicated",)),
    ),
    metrics=tuple(
        Metric(
            name,
            rf"{name}: ([0-9\.]+)",
            "Maximize" if name in MAXIMIZED_METRICS else "Minimize",
        )
        for name in METRICS
    ),
    content_types=(CSV,),
    accepts=("application/json",),
    hyperparameters="sagebrush.algorithms.lightgbm.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.lightgbm.train:train",
    load="sagebrush.algorithms.lightgbm.serve:load",
    environment_of=environment_of,
    environments=(LIGHTGBM,),
    distributed=True,
    default_content_type=CSV,
    model_ids=MODEL_IDS,
)
