"""CatBoost as SageMaker's model ids ``catboost-*-model`` train and serve it."""

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
from sagebrush.algorithms.catboost.model_ids import MODEL_IDS

CSV = "text/csv"
CATBOOST = Environment(
    "catboost",
    ("catboost==1.2.10", "numpy>=2", "scipy", "pyarrow>=17", "orjson", "httptools"),
)
"""For a server whose own interpreter has no catboost."""

MINIMIZED_METRICS = ("RMSE", "MAE", "MedianAbsoluteError", "Logloss", "MultiClass")
MAXIMIZED_METRICS = (*("R2", "Precision", "Recall", "F1", "AUC", "Accuracy", "BalancedAccuracy"),)
METRICS = (*MINIMIZED_METRICS, *MAXIMIZED_METRICS)


def environment_of(tag: str) -> Environment:
    """The base environment where it has catboost, else one of its own; LookupError for no tag."""
    first_party_environment(tag)
    return CATBOOST if find_spec("catboost") is None else BASE_ENVIRONMENT


CARD = Card(
    name="catboost",
    title="CatBoost",
    summary="Gradient boosted symmetric trees that take categories as they are.",
    repositories=("catboost",),
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
    # The documented pattern, the same for every metric, with the metric's own name behind it:
    # otherwise every job would seem to have every metric.
    metrics=tuple(
        Metric(
            name,
            rf"bestTest = (-?[0-9\.]+) \({name}\)",
            "Maximize" if name in MAXIMIZED_METRICS else "Minimize",
        )
        for name in METRICS
    ),
    content_types=(CSV,),
    accepts=("application/json",),
    hyperparameters="sagebrush.algorithms.catboost.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.catboost.train:train",
    load="sagebrush.algorithms.catboost.serve:load",
    environment_of=environment_of,
    environments=(CATBOOST,),
    default_content_type=CSV,
    model_ids=MODEL_IDS,
)
