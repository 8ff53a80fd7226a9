"""Labels and their probabilities from a stored classifier, with any of fastText's losses."""

import heapq
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import expit, softmax

from sagebrush.algorithms.blazing_text.fasttext_file import (
    HIERARCHICAL_SOFTMAX,
    SOFTMAX,
    StoredModel,
)
from sagebrush.algorithms.blazing_text.kernel import Floats, Int64s
from sagebrush.algorithms.blazing_text.lookup import means_of

Answer = tuple[list[str], list[float]]

_CELLS_AT_ONCE = 1 << 22


class LabelNames:
    """The labels of a model in its order, as the model spells them."""

    def __init__(self, model: StoredModel) -> None:
        texts, counts = model.vocabulary.entries()
        words = model.vocabulary.words
        self.names = [text.decode(errors="replace") for text in texts[words:]]
        self.counts: Int64s = counts[words:]


def top_labels(
    model: StoredModel, texts: Sequence[str], ks: Sequence[int], names: LabelNames | None = None
) -> list[Answer]:
    """For each text the labels of its ``k`` highest probabilities, highest first.

    A text in which nothing is known has no labels.
    """
    labels = names or LabelNames(model)
    step = max(1, _CELLS_AT_ONCE // max(len(labels.names), model.arguments.dim))
    answers: list[Answer] = []
    for first in range(0, len(texts), step):
        some = texts[first : first + step]
        answers += _answers(model, some, ks[first : first + step], labels)
    return answers


def _answers(
    model: StoredModel, texts: Sequence[str], ks: Sequence[int], labels: LabelNames
) -> list[Answer]:
    if not texts:
        return []
    lines = b"".join(text.replace("\n", " ").encode(errors="replace") + b"\n" for text in texts)
    answers: list[Answer] = []
    for documents in model.rules.read_documents(lines):
        ends = documents.feature_ends[: documents.count]
        chances = probabilities(model, means_of(model, documents.features, ends), labels.counts)
        sizes = np.diff(ends, prepend=0)
        for row, size in zip(chances, sizes.tolist(), strict=True):
            k = ks[len(answers)] if size else 0
            answers.append(_best(row, k, labels.names))
    return answers


def _best(row: Floats, k: int, names: list[str]) -> Answer:
    k = min(k, len(names))
    if k == 0:
        return [], []
    among = np.argpartition(-row, k - 1)[:k] if k < len(row) else np.arange(len(row))
    order = among[np.lexsort((among, -row[among]))]
    return [names[place] for place in order.tolist()], row[order].tolist()


def probabilities(model: StoredModel, means: Floats, label_counts: Int64s) -> Floats:
    """The probability of each label, (texts, labels).

    Softmax sums to 1 over the labels, as hierarchical softmax does; otherwise each label has a
    probability of its own.
    """
    output = np.ascontiguousarray(model.output[:, : model.arguments.dim])
    # Not one product for all rows: a text alone must get the bits that it gets among others.
    scores = np.einsum("td,ld->tl", means, output[: len(label_counts)])
    if model.arguments.loss == SOFTMAX:
        found: Floats = softmax(scores, axis=1)
    elif model.arguments.loss == HIERARCHICAL_SOFTMAX:
        found = _tree_probabilities(scores, tuple(label_counts.tolist()))
    else:
        found = expit(scores)
    return found


def _tree_probabilities(scores: Floats, counts: tuple[int, ...]) -> Floats:
    """Products of the decisions on each label's way through the tree."""
    right = expit(scores)
    found = np.ones_like(scores)
    for label, way in enumerate(huffman_ways(counts)):
        for node, turns_right in way:
            found[:, label] *= right[:, node] if turns_right else 1 - right[:, node]
    return found


@lru_cache(maxsize=4)
def huffman_ways(counts: tuple[int, ...]) -> list[list[tuple[int, bool]]]:
    """For each label the inner nodes on its way and whether it turns right there.

    As fastText builds its tree: nodes are joined two by two, the rarest first; among equals inner
    nodes come before leaves, the oldest node first, the last leaf first.
    """
    leaves = len(counts)
    heap = [(count, 1, leaves - place, place) for place, count in enumerate(counts)]
    heapq.heapify(heap)
    parent: dict[int, tuple[int, bool]] = {}
    for node in range(leaves - 1):
        left, right = heapq.heappop(heap), heapq.heappop(heap)
        parent[left[3]], parent[right[3]] = (node, False), (node, True)
        heapq.heappush(heap, (left[0] + right[0], 0, node, leaves + node))
    ways = []
    for place in range(leaves):
        way, at = [], place
        while at in parent:
            node, turns_right = parent[at]
            way.append((node, turns_right))
            at = leaves + node
        ways.append(way)
    return ways
