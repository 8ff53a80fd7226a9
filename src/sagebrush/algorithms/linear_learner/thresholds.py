"""Decision thresholds of binary classifiers and the criteria that choose among models.

A row is called positive when its score is at least the threshold. Moving the threshold down the
sorted scores gives one (tp, fp) pair per place, from which every criterion follows; so calibration
costs one sort (Fawcett, "An introduction to ROC analysis", 2006).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.linear_learner.settings import Settings

Doubles = NDArray[np.float64]

SELECTION_BINS = 512
# Differences below this many standard errors of the criterion, or of this many rows, say nothing.
TOLERATED_ERRORS = 0.5
TOLERATED_ROWS = 1.5
# By how many standard errors a threshold must be more accurate than the neutral one to replace it:
# the 5 % level of a one-sided test.
MOVING_ERRORS = 1.64


class Calibration(NamedTuple):
    """A threshold on the score and the value the criterion takes there."""

    threshold: float
    value: float


@dataclass(frozen=True)
class Confusion:
    """True and false positives at each threshold, and the totals of both classes.

    Arrays broadcast: one model's thresholds (t,), or all models' (M, t) with totals (M, 1).
    """

    true_positives: Any
    false_positives: Any
    positives: Any
    negatives: Any

    def accuracy(self) -> Doubles:
        """Share of rows called right."""
        right = self.true_positives + self.negatives - self.false_positives
        return np.asarray(right / np.maximum(self.positives + self.negatives, 1))

    def precision(self) -> Doubles:
        """Share of positives among the rows called positive; 0 where none is."""
        called = self.true_positives + self.false_positives
        return np.asarray(self.true_positives / np.maximum(called, 1))

    def recall(self) -> Doubles:
        """Share of the positive rows that are called positive."""
        return np.asarray(self.true_positives / np.maximum(self.positives, 1))

    def f_beta(self, beta: float) -> Doubles:
        """(1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp); 0 where there is nothing to call."""
        square = beta * beta
        missed = self.positives - self.true_positives
        hits = (1 + square) * self.true_positives
        below = hits + square * missed + self.false_positives
        return np.asarray(hits / np.maximum(below, 1e-12))

    def criterion(self, settings: Settings) -> Doubles:
        """The selection criterion of the settings; higher is better.

        Where a target is missed the value is what the target measures minus 2, so that it lies
        below every value that meets the target and still prefers coming close.
        """
        name = settings.binary_classifier_model_selection_criteria
        if name == "f_beta":
            return self.f_beta(settings.f_beta)
        if name == "f1":
            return self.f_beta(1.0)
        if name == "precision_at_target_recall":
            recall = self.recall()
            return np.where(recall >= settings.target_recall, self.precision(), recall - 2)
        if name == "recall_at_target_precision":
            precision = self.precision()
            return np.where(precision >= settings.target_precision, self.recall(), precision - 2)
        return self.accuracy()


def best_threshold(
    scores: Doubles, labels: NDArray[Any], settings: Settings, neutral: float
) -> Calibration:
    """The threshold with the best criterion, scores (n,) and labels (n,) of 0 and 1.

    Thresholds lie halfway between neighbouring scores. Of those that the size of the sample cannot
    tell from the best, the nearest to ``neutral`` is taken, itself included, so that few rows do
    not move the threshold by chance.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], labels[order] > 0
    last = np.flatnonzero(np.append(ranked[:-1] != ranked[1:], True))
    true_positives = np.cumsum(hits, dtype=np.float64)[last]
    false_positives = (last + 1) - true_positives
    lower = np.append(ranked[last[:-1] + 1], ranked[-1] - 1.0)
    thresholds = (ranked[last] + lower) / 2
    thresholds[-1] = ranked[-1]
    positives = float(hits.sum())
    values = Confusion(
        true_positives, false_positives, positives, labels.shape[0] - positives
    ).criterion(settings)
    at_neutral = confusion_at(scores, labels, neutral)
    neutral_value = float(at_neutral.criterion(settings))
    top = max(float(values.max()), neutral_value)
    enough = top - sampling_tolerance(top, positives, labels.shape[0], settings)
    distance = np.where(values >= enough, np.abs(thresholds - neutral), np.inf)
    nearest = int(distance.argmin())
    found = Calibration(float(thresholds[nearest]), float(values[nearest]))
    if neutral_value >= enough or _moves_by_chance(found, neutral, neutral_value, scores, settings):
        return Calibration(neutral, neutral_value)
    return found


def _moves_by_chance(
    found: Calibration, neutral: float, neutral_value: float, scores: Doubles, settings: Settings
) -> bool:
    """Whether the gain in accuracy is within McNemar's test of the rows that are called anew."""
    if settings.binary_classifier_model_selection_criteria != "accuracy":
        return False
    changed = float(((scores >= found.threshold) != (scores >= neutral)).sum())
    gained = (found.value - neutral_value) * scores.shape[0]
    return bool(gained <= MOVING_ERRORS * np.sqrt(changed))


def sampling_tolerance(value: float, positives: float, rows: float, settings: Settings) -> float:
    """A share of the standard error that a criterion of this value has on a sample of this size.

    Accuracy is a share of all rows, the other criteria are shares of about as many rows as there
    are positives.
    """
    name = settings.binary_classifier_model_selection_criteria
    size = max(rows if name == "accuracy" else positives, 1.0)
    share = min(max(value, 0.0), 1.0)
    error = float(np.sqrt(share * (1.0 - share) / size))
    return max(TOLERATED_ERRORS * error, TOLERATED_ROWS / size)


def confusion_at(scores: Doubles, labels: NDArray[Any], threshold: float) -> Confusion:
    """The confusion of one threshold."""
    called, positive = scores >= threshold, labels > 0
    positives = float(positive.sum())
    return Confusion(
        float((called & positive).sum()),
        float((called & ~positive).sum()),
        positives,
        labels.shape[0] - positives,
    )


def roc_auc(scores: Doubles, labels: NDArray[Any]) -> float:
    """The probability that a positive row scores above a negative one, ties counted half."""
    positive = labels > 0
    positives = int(positive.sum())
    negatives = labels.shape[0] - positives
    if positives == 0 or negatives == 0:
        return 0.5
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    sizes = np.diff(np.append(first, ranked.shape[0]))
    ranks = np.repeat(first + (sizes + 1) / 2, sizes)
    above = ranks[positive[order]].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def overlap(scores: NDArray[Any], labels: NDArray[Any]) -> tuple[Doubles, Doubles]:
    """Per model the least positive and the greatest negative score.

    Only thresholds between the two matter. Scores (n, M); infinities where a class is absent.
    """
    positive = labels > 0
    low = scores[positive].min(axis=0, initial=np.inf)
    high = scores[~positive].max(axis=0, initial=-np.inf)
    return low.astype(np.float64), high.astype(np.float64)


def histogram(
    scores: NDArray[np.float32], labels: NDArray[Any], low: Doubles, high: Doubles
) -> Doubles:
    """Counts (2, M, bins + 2) of each class's scores in equal bins of [low, high] per model.

    The first bin is everything below low, the last everything above high.
    """
    models = scores.shape[1]
    width = SELECTION_BINS + 2
    span = np.maximum(high - low, 1e-12)
    scale = np.where(np.isfinite(span), SELECTION_BINS / span, 0.0).astype(np.float32)
    origin = np.where(np.isfinite(low), low, 0.0).astype(np.float32)
    places = (scores - origin) * scale
    np.clip(places, -1, SELECTION_BINS, out=places)
    cells = np.floor(places).astype(np.int64) + 1
    cells += np.arange(models) * width
    cells += ((labels > 0).astype(np.int64) * (models * width))[:, None]
    counts = np.bincount(cells.ravel(), minlength=2 * models * width)
    return counts.reshape(2, models, width).astype(np.float64)


def best_values(counts: Doubles, settings: Settings) -> Doubles:
    """The best criterion of each model (M,) over the thresholds at the bins' lower edges."""
    above = np.cumsum(counts[:, :, ::-1], axis=2)
    totals = above[:, :, -1:]
    confusion = Confusion(above[1], above[0], totals[1], totals[0])
    return np.asarray(confusion.criterion(settings).max(axis=1))
