"""How well scores beyond three standard deviations find the rows that are labelled anomalous."""

import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.row_flaws import RowFlaw, feature_flaw

Doubles = NDArray[np.float64]

STANDARD_DEVIATIONS = 3.0
IN_MEMORY_BYTES = 32 << 20
CHUNK_ROWS = 1 << 18
_SCORED = np.dtype([("score", np.float32), ("anomalous", np.bool_)])


def label_flaw(batch: Batch) -> RowFlaw | None:
    """The first row of a test batch that cannot be judged, None if there is none.

    A row needs finite features and the label 0 or 1.
    """
    flaw = feature_flaw(batch)
    if flaw is not None:
        return flaw
    if batch.labels is None:
        return RowFlaw(
            0,
            "has no label. The test channel needs the label 0 or 1 for each example; csv data has "
            "it in the first column and the content type 'text/csv;label_size=1'.",
        )
    labels = batch.labels if batch.labels.ndim == 1 else batch.labels[:, 0]
    wrong = (labels != 0.0) & (labels != 1.0)
    if not wrong.any():
        return None
    row = int(wrong.argmax())
    return RowFlaw(row, f"has the label {labels[row]:g}; a label must be 0 or 1.")


class ScoredRows:
    """Scores and labels of any number of rows at constant memory: what is large goes to a file."""

    def __init__(self) -> None:
        # Closed by `close`; the rows are read three times.
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115

    def add(self, scores: Doubles, labels: NDArray[np.float32]) -> None:
        """Append rows with their scores and labels, both of shape (rows,)."""
        rows = np.empty(scores.shape[0], _SCORED)
        rows["score"] = scores
        rows["anomalous"] = labels == 1.0
        self._file.write(rows.tobytes())

    def chunks(self) -> Iterator[tuple[Doubles, NDArray[np.bool_]]]:
        """All rows in chunks: scores, and whether each is labelled anomalous."""
        self._file.seek(0)
        while content := self._file.read(CHUNK_ROWS * _SCORED.itemsize):
            rows = np.frombuffer(content, _SCORED)
            yield rows["score"].astype(np.float64), rows["anomalous"]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def threshold(scored: ScoredRows, collective: Collective) -> float:
    """Mean plus three standard deviations of the scores of all hosts; NaN if there are none."""
    totals = np.zeros(2)
    for scores, _ in scored.chunks():
        totals += scores.shape[0], scores.sum()
    rows, total = collective.sum(totals)
    if rows == 0:
        return float("nan")
    mean = total / rows
    deviations = np.array(sum(float(np.sum((each - mean) ** 2)) for each, _ in scored.chunks()))
    variance = float(collective.sum(deviations)) / rows
    return float(mean + STANDARD_DEVIATIONS * np.sqrt(variance))


def confusion(scored: ScoredRows, limit: float, collective: Collective) -> NDArray[np.int64]:
    """Rows by label and answer, [[true negatives, false positives], [false negatives, true ...]].

    A row is called anomalous when its score lies above ``limit``.
    """
    counts = np.zeros((2, 2), np.int64)
    for scores, anomalous in scored.chunks():
        cells = 2 * anomalous.astype(np.int64) + (scores > limit)
        counts += np.bincount(cells, minlength=4).reshape(2, 2)
    return collective.sum(counts)


def figures(counts: NDArray[np.int64], wanted: list[str]) -> dict[str, float]:
    """The wanted groups of figures by name; those of the normal rows are called ``negative_...``.

    A ratio without cases is 0.
    """
    (true_negatives, false_positives), (false_negatives, true_positives) = counts.tolist()
    found: dict[str, float] = {}
    if "accuracy" in wanted:
        found["accuracy"] = _ratio(true_negatives + true_positives, int(counts.sum()))
    if "precision_recall_fscore" in wanted:
        found |= _of_class("", true_positives, false_positives, false_negatives)
        found |= _of_class("negative_", true_negatives, false_negatives, false_positives)
    return found


def _of_class(prefix: str, hits: int, wrongly: int, missed: int) -> dict[str, float]:
    return {
        f"{prefix}precision": _ratio(hits, hits + wrongly),
        f"{prefix}recall": _ratio(hits, hits + missed),
        f"{prefix}f1": _ratio(2 * hits, 2 * hits + wrongly + missed),
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
