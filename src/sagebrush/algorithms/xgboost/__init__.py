"""XGBoost as SageMaker's images run it in algorithm mode."""

import re

from sagebrush.algorithms.card import BASE_ENVIRONMENT, Card, Channel, Environment, Metric
from sagebrush.algorithms.xgboost.vocabulary import (
    CONTENT_TYPE_NAMES,
    CSV,
    LIBSVM,
    MAXIMIZED_METRICS,
    METRICS,
    RECORDIO_PROTOBUF,
)

XGBOOST_1_7 = Environment(
    "xgboost-1.7",
    ("xgboost==1.7.6", "numpy<2", "scipy", "pyarrow<20", "orjson", "httptools"),
)
"""For the images up to 1.7-1, whose numbers and model files newer versions do not reproduce."""

_LAST_VERSION_OF_1_7 = (1, 7)
# Metrics of a line follow each other without white space once tabs are written as #011.
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
_TAG = re.compile(r"(\d+)\.(\d+)-\d+(-\d+)?(-(cpu|gpu))?(-py\d+)?")


def environment_of(tag: str) -> Environment:
    """The environment of an image tag such as ``1.7-1``; LookupError for tags of no image."""
    if tag in {"1", "latest"}:
        return XGBOOST_1_7
    match = _TAG.fullmatch(tag)
    if match is None:
        raise LookupError(f"no image has the tag {tag!r}")
    version = (int(match[1]), int(match[2]))
    return XGBOOST_1_7 if version <= _LAST_VERSION_OF_1_7 else BASE_ENVIRONMENT


def _metric(part: str, name: str) -> Metric:
    return Metric(
        name=f"{part}:{name}",
        regex=rf".*\[[0-9]+\].*#011{part}-{name}:{_NUMBER}.*",
        direction="Maximize" if name in MAXIMIZED_METRICS else "Minimize",
    )


CARD = Card(
    name="xgboost",
    title="XGBoost",
    summary="Gradient boosted trees for regression, classification, ranking and survival.",
    repositories=("sagemaker-xgboost", "xgboost"),
    channels=(
        Channel("train", required=True, content_types=tuple(CONTENT_TYPE_NAMES)),
        Channel("validation", content_types=tuple(CONTENT_TYPE_NAMES)),
        Channel(
            "code",
            content_types=("text/python",),
            modes=("File",),
            distributions=("FullyReplicated",),
        ),
    ),
    metrics=tuple(_metric(part, name) for part in ("train", "validation") for name in METRICS),
    content_types=(CSV, LIBSVM, "text/x-libsvm", RECORDIO_PROTOBUF),
    accepts=(CSV, "application/json", "application/jsonlines", RECORDIO_PROTOBUF),
    hyperparameters="sagebrush.algorithms.xgboost.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.xgboost.train:train",
    load="sagebrush.algorithms.xgboost.serve:load",
    environment_of=environment_of,
    environments=(XGBOOST_1_7,),
    distributed=True,
    default_content_type=LIBSVM,
    default_accept=CSV,
    prints_configuration=False,
)
