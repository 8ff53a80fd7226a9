"""Linear Learner as SageMaker's image runs it: many linear models at once, the best one kept."""

from typing import Literal

from sagebrush.algorithms.card import Card, Channel, Metric

CONTENT_TYPES = ("application/x-recordio-protobuf", "text/csv")

_LOSSES = ("absolute_loss", "mse", "rmse")
# Names of the metrics whose lines carry a number: binary_f_1.000 for binary_f_beta.
_SCORES = {
    "binary_classification_accuracy": "binary_classification_accuracy",
    "binary_f_beta": r"binary_f_\S+",
    "dcg": "dcg",
    "macro_f_beta": r"macro_f_\S+",
    "macro_precision": "macro_precision",
    "macro_recall": "macro_recall",
    "multiclass_accuracy": "multiclass_accuracy",
    "multiclass_balanced_accuracy": "multiclass_balanced_accuracy",
    "multiclass_log_loss": "multiclass_log_loss",
    "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_\S+",
    "precision": "precision",
    "recall": "recall",
    "roc_auc_score": "roc_auc_score",
}


def _metric(name: str, line: str, kind: str, direction: Literal["Minimize", "Maximize"]) -> Metric:
    return Metric(name, rf"#quality_metric: host=\S+, {line} <{kind}>=(\S+)", direction)


def _metrics_of(part: str) -> tuple[Metric, ...]:
    final = f"{part}:objective_loss" if part == "test" else f"{part}:objective_loss:final"
    metrics = [_metric(final, rf"{part} \S+_objective", "loss", "Minimize")]
    if part != "test":
        line = rf"epoch=\S+, {part} \S+_objective"
        metrics.append(_metric(f"{part}:objective_loss", line, "loss", "Minimize"))
    metrics += [_metric(f"{part}:{name}", f"{part} {name}", "loss", "Minimize") for name in _LOSSES]
    for name, line in _SCORES.items():
        direction: Literal["Minimize", "Maximize"] = (
            "Minimize" if name == "multiclass_log_loss" else "Maximize"
        )
        metrics.append(_metric(f"{part}:{name}", f"{part} {line}", "score", direction))
    return tuple(metrics)


CARD = Card(
    name="linear-learner",
    title="Linear Learner",
    summary="Linear classifiers and regression; many models are trained at once, the best kept.",
    repositories=("linear-learner",),
    channels=(
        Channel("train", required=True, content_types=CONTENT_TYPES),
        Channel("validation", content_types=CONTENT_TYPES),
        Channel("test", content_types=CONTENT_TYPES),
    ),
    metrics=(
        Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %", "Maximize"),
        Metric(
            "train:throughput",
            r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
            "Maximize",
        ),
        *_metrics_of("train"),
        *_metrics_of("validation"),
        *_metrics_of("test"),
    ),
    content_types=(
        "application/x-recordio-protobuf",
        "text/csv",
        "application/json",
        "application/jsonlines",
    ),
    accepts=(
        "application/json",
        "application/jsonlines",
        "text/csv",
        "application/x-recordio-protobuf",
    ),
    hyperparameters="sagebrush.algorithms.linear_learner.hyperparameters:SCHEMA",
    train="sagebrush.algorithms.linear_learner.train:train",
    load="sagebrush.algorithms.linear_learner.serve:load",
    distributed=True,
)
