"""Judging models on data that streams by: all candidates coarsely, the chosen one exactly.

Scores are taken on raw rows with un-normalised parameters, so every metric and objective is in the
units of the data. What a host finds on its part of the data is added up over the hosts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.linear_learner.linear_model import LinearModel, probabilities
from sagebrush.algorithms.linear_learner.losses import (
    OBJECTIVE_NAMES,
    loss_function,
    softmax_probabilities,
)
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    LOSS_CRITERIA,
    MULTICLASS,
    Settings,
)
from sagebrush.algorithms.linear_learner.thresholds import (
    best_values,
    confusion_at,
    histogram,
    overlap,
    roc_auc,
    sampling_tolerance,
)
from sagebrush.algorithms.replay import Pass

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
# Scores kept for the coarse selection of binary models: 16 MB, 131 072 rows of 32 models.
SELECTION_SCORES = 1 << 22
BLOCK_SCORES = 1 << 21
# Rows of each host at most whose scores are kept for the metrics of a binary classifier.
METRIC_ROWS = 10_000_000


@dataclass(frozen=True)
class Metric:
    """A named figure; ``kind`` is ``loss`` if less is better, else ``score``."""

    name: str
    value: float
    kind: Literal["loss", "score"]


@dataclass(frozen=True)
class Judgement:
    """How the candidates do: mean objective (M,), the criterion (M,) and the criterion's name.

    ``criterion`` is higher-is-better when ``maximise``.
    """

    objective: Doubles
    criterion: Doubles
    criterion_name: str
    maximise: bool
    tolerance: float = 0.0

    @property
    def best(self) -> int:
        """The best candidate's index: of those whose criterion cannot be told from the best by the
        size of the sample (``tolerance``), the one with the lowest objective.
        """
        merit = self.criterion if self.maximise else -self.criterion
        merit = np.where(np.isfinite(merit), merit, -np.inf)
        contenders = merit >= merit.max() - self.tolerance
        objective = np.where(contenders & np.isfinite(self.objective), self.objective, np.inf)
        return int(objective.argmin())


def judge(
    data: Pass, weights: Doubles, bias: Doubles, settings: Settings, collective: Collective
) -> Judgement:
    """Judge all candidates with raw parameters weights (d, M, C) and bias (M, C) on one pass."""
    models = weights.shape[1]
    flat = np.ascontiguousarray(weights.reshape(weights.shape[0], -1), np.float32)
    offset = bias.reshape(-1).astype(np.float32)
    loss = loss_function(settings)
    totals = np.zeros(models + 1)
    thresholded = (
        settings.predictor_type == BINARY
        and settings.binary_classifier_model_selection_criteria not in LOSS_CRITERIA
    )
    room = max(1, SELECTION_SCORES // models) if thresholded else 0
    kept: list[tuple[Floats, Floats]] = []
    for features, labels in _blocks(data, flat.shape[1]):
        scores = np.asarray(features @ flat) + offset
        shaped = scores if settings.outputs == 1 else scores.reshape(-1, models, settings.outputs)
        totals[:-1] += loss(shaped, labels)[0].sum(axis=0, dtype=np.float64)
        totals[-1] += labels.shape[0]
        if room > 0:
            kept.append((scores[:room], labels[:room]))
            room -= scores.shape[0]
    totals = collective.sum(totals)
    objective = totals[:-1] / max(totals[-1], 1.0)
    if not thresholded:
        return Judgement(objective, objective, OBJECTIVE_NAMES[settings.loss_name], False)
    name = settings.binary_classifier_model_selection_criteria
    criterion, tolerance = _binary_criterion(kept, models, settings, collective)
    return Judgement(objective, criterion, f"sampled_{name}", True, tolerance)


def _binary_criterion(
    kept: list[tuple[Floats, Floats]], models: int, settings: Settings, collective: Collective
) -> tuple[Doubles, float]:
    scores = np.concatenate([part[0] for part in kept]) if kept else np.zeros((0, models), "f4")
    labels = np.concatenate([part[1] for part in kept]) if kept else np.zeros(0, np.float32)
    low, high = overlap(scores, labels)
    low, high = collective.minimum(low), collective.maximum(high)
    counts = collective.sum(histogram(scores, labels, low, high))
    values = best_values(counts, settings)
    positives, rows = float(counts[1, 0].sum()), float(counts[:, 0].sum())
    return values, sampling_tolerance(float(values.max()), positives, rows, settings)


def _blocks(data: Pass, columns: int) -> Iterator[tuple[Any, Floats]]:
    """Features and labels in blocks whose scores stay small."""
    rows = max(1, BLOCK_SCORES // columns)
    for batch in data():
        labels = batch.labels
        assert labels is not None
        for first in range(0, labels.shape[0], rows):
            yield batch.features[first : first + rows], labels[first : first + rows]


def sample_scores(
    data: Pass, model: LinearModel, limit: int, collective: Collective
) -> tuple[Doubles, Floats]:
    """Raw scores (n,) and labels (n,) of a binary model on up to ``limit`` rows of each host."""
    scores: list[Doubles] = []
    labels: list[Floats] = []
    for features, part in _blocks(data, 1):
        scores.append(model.raw_scores(features)[:limit, 0])
        labels.append(part[:limit])
        limit -= part.shape[0]
        if limit <= 0:
            break
    own_scores = np.concatenate(scores) if scores else np.zeros(0)
    own_labels = np.concatenate(labels) if labels else np.zeros(0, np.float32)
    return collective.concatenate(own_scores), collective.concatenate(own_labels)


def final_metrics(
    data: Pass, model: LinearModel, settings: Settings, collective: Collective
) -> list[Metric]:
    """Every documented metric of one model on one pass, in the order of the log.

    Those of a binary classifier are of the first METRIC_ROWS rows of each host.
    """
    if settings.predictor_type == BINARY:
        scores, labels = sample_scores(data, model, METRIC_ROWS, collective)
        return binary_metrics(scores, labels, settings, model.threshold)
    if settings.predictor_type == MULTICLASS:
        return _multiclass_metrics(data, model, settings, collective)
    return _regression_metrics(data, model, settings, collective)


def binary_metrics(
    scores: Doubles, labels: Floats, settings: Settings, threshold: float | None
) -> list[Metric]:
    """The metrics of a binary classifier from raw scores (n,) and labels (n,).

    ``threshold`` is on the response's score.
    """
    losses, _ = loss_function(settings)(scores[:, None], labels)
    called_by = probabilities(scores, settings)
    confusion = confusion_at(called_by, labels, 0.5 if threshold is None else threshold)
    return [
        Metric(OBJECTIVE_NAMES[settings.loss_name], float(losses.mean()), "loss"),
        Metric("binary_classification_accuracy", float(confusion.accuracy()), "score"),
        Metric(
            f"binary_f_{settings.f_beta:.3f}", float(confusion.f_beta(settings.f_beta)), "score"
        ),
        Metric("precision", float(confusion.precision()), "score"),
        Metric("recall", float(confusion.recall()), "score"),
        Metric("roc_auc_score", roc_auc(scores, labels), "score"),
    ]


def _regression_metrics(
    data: Pass, model: LinearModel, settings: Settings, collective: Collective
) -> list[Metric]:
    loss = loss_function(settings)
    totals = np.zeros(4)
    for features, labels in _blocks(data, 1):
        scores = model.raw_scores(features)
        residuals = scores[:, 0] - labels
        objective = loss(scores, labels)[0].sum()
        totals += [labels.shape[0], objective, residuals @ residuals, np.abs(residuals).sum()]
    rows, objective, square, absolute = collective.sum(totals)
    rows = max(rows, 1.0)
    return [
        Metric(OBJECTIVE_NAMES[settings.loss_name], float(objective / rows), "loss"),
        Metric("mse", float(square / rows), "loss"),
        Metric("absolute_loss", float(absolute / rows), "loss"),
        Metric("rmse", float(np.sqrt(square / rows)), "loss"),
    ]


def _multiclass_metrics(
    data: Pass, model: LinearModel, settings: Settings, collective: Collective
) -> list[Metric]:
    classes = settings.num_classes
    # Per class: hits, calls, rows; then rows, log loss, top-k hits, discounted gain.
    counts = np.zeros((3, classes))
    totals = np.zeros(4)
    for features, labels in _blocks(data, classes):
        scores = model.raw_scores(features)
        truth = labels.astype(np.int64)
        called = scores.argmax(axis=1)
        counts[0] += np.bincount(truth[called == truth], minlength=classes)
        counts[1] += np.bincount(called, minlength=classes)
        counts[2] += np.bincount(truth, minlength=classes)
        own = scores[np.arange(truth.shape[0]), truth]
        rank = (scores > own[:, None]).sum(axis=1)
        probability = softmax_probabilities(scores)[np.arange(truth.shape[0]), truth]
        totals[0] += truth.shape[0]
        totals[1] -= np.log(np.maximum(probability, 1e-30)).sum()
        totals[2] += (rank < settings.accuracy_top_k).sum()
        totals[3] += (1.0 / np.log2(rank + 2.0)).sum()
    counts, totals = collective.sum(counts), collective.sum(totals)
    return _multiclass_figures(counts, totals / max(totals[0], 1.0), settings)


def _multiclass_figures(counts: Doubles, means: Doubles, settings: Settings) -> list[Metric]:
    """Macro figures are means over the classes that occur in the data."""
    hits, called, rows = counts[:, counts[2] > 0]
    beta = settings.f_beta**2
    recall = hits / rows
    precision = hits / np.maximum(called, 1)
    f_beta = (1 + beta) * hits / np.maximum(beta * rows + called, 1e-12)
    accuracy = float(counts[0].sum() / max(counts[2].sum(), 1.0))
    return [
        Metric(OBJECTIVE_NAMES["softmax_loss"], float(means[1]), "loss"),
        Metric("multiclass_accuracy", accuracy, "score"),
        Metric(f"multiclass_top_k_accuracy_{settings.accuracy_top_k}", float(means[2]), "score"),
        Metric("dcg", float(means[3]), "score"),
        Metric("macro_recall", float(recall.mean()), "score"),
        Metric("macro_precision", float(precision.mean()), "score"),
        Metric(f"macro_f_{settings.f_beta:.3f}", float(f_beta.mean()), "score"),
        Metric("multiclass_balanced_accuracy", float(recall.mean()), "score"),
        Metric("multiclass_log_loss", float(means[1]), "score"),
    ]
