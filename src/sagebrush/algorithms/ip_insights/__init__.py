"""IP Insights as SageMaker's image runs it: which IPv4 addresses an entity is likely to use."""

from typing import Literal

from sagebrush.algorithms.card import FILE_MODES, Card, Channel, Metric

_CSV = ("text/csv",)


def _train_metrics(name: str, kind: str) -> tuple[Metric, Metric]:
    """A figure of single batches and of whole epochs, by the regexes that the service returns."""
    direction: Literal["Minimize", "Maximize"] = "Maximize" if kind == "score" else "Minimize"
    place = r"#quality_metric: host=\S+, epoch=\S+,"
    value = rf"{name} <{kind}>=(\S+)"
    return (
        Metric(f"train:{name}", rf"{place} batch=\S+ train {value}", direction),
        Metric(f"train:{name}:epoch", rf"{place} train {value}", direction),
    )


CARD = Card(
    name="ipinsights",
    title="IP Insights",
    summary="Scores how likely an entity is to use an IPv4 address.",
    repositories=("ipinsights",),
    channels=(
        Channel("train", required=True, content_types=_CSV, modes=FILE_MODES),
        Channel("validation", content_types=_CSV, modes=FILE_MODES),
    ),
    metrics=(
        Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %", "Maximize"),
        Metric(
            "train:throughput",
            r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
            "Maximize",
        ),
        *_train_metrics("binary_classification_accuracy", "score"),
        *_train_metrics("binary_classification_cross_entropy", "loss"),
        Metric(
            "validation:discriminator_auc",
            r"#quality_metric: host=\S+, epoch=\S+, validation discriminator_auc <score>=(\S+)",
            "Maximize",
        ),
    ),
    content_types=("text/csv", "application/json", "application/jsonlines"),
    accepts=("application/json", "application/jsonlines"),
    hyperparameters="sagebrush.algorithms.ip_insights.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.ip_insights.train:train",
    load="sagebrush.algorithms.ip_insights.serve:load",
    distributed=True,
    default_content_type="text/csv",
)
