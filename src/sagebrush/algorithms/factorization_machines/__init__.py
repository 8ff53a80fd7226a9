"""Factorization Machines as SageMaker's image trains them: pairs of features in sparse data."""

from typing import Literal

from sagebrush.algorithms.card import Card, Channel, Metric

TRAINING_TYPES = ("application/x-recordio-protobuf",)
INFERENCE_TYPES = (
    "application/json",
    "application/jsonlines",
    "application/x-recordio-protobuf",
)

# Name in the metric, name in the log line, kind of line, direction.
_FIGURES: tuple[tuple[str, str, str, Literal["Minimize", "Maximize"]], ...] = (
    ("rmse", "rmse", "loss", "Minimize"),
    ("mse", "mse", "loss", "Minimize"),
    ("absolute_loss", "absolute_loss", "loss", "Minimize"),
    (
        "binary_classification_accuracy",
        "binary_classification_accuracy",
        "score",
        "Maximize",
    ),
    (
        "binary_classification_cross_entropy",
        "binary_classification_cross_entropy",
        "loss",
        "Minimize",
    ),
    ("binary_f_beta", r"binary_f_\S+", "score", "Maximize"),
)


def _metrics() -> tuple[Metric, ...]:
    """Figures of mini-batches, of epochs (names with ``:epoch``) and of the test channel."""
    places = (
        ("train:{}", r"epoch=\S+, batch=\S+ train"),
        ("train:{}:epoch", r"epoch=\S+, train"),
        ("test:{}", "test"),
    )
    return tuple(
        Metric(
            name.format(figure),
            rf"#quality_metric: host=\S+, {place} {line} <{kind}>=(\S+)",
            direction,
        )
        for name, place in places
        for figure, line, kind, direction in _FIGURES
    )


CARD = Card(
    name="factorization-machines",
    title="Factorization Machines",
    summary="Regression and binary classification by pairs of features in sparse data.",
    repositories=("factorization-machines",),
    channels=(
        Channel("train", required=True, content_types=TRAINING_TYPES),
        Channel("test", content_types=TRAINING_TYPES),
    ),
    metrics=(
        Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %", "Maximize"),
        Metric(
            "train:throughput",
            r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
            "Maximize",
        ),
        *_metrics(),
    ),
    content_types=INFERENCE_TYPES,
    accepts=INFERENCE_TYPES,
    hyperparameters="sagebrush.algorithms.factorization_machines.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.factorization_machines.train:train",
    load="sagebrush.algorithms.factorization_machines.serve:load",
    distributed=True,
)
