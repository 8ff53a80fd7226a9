"""The spectral method: topics from the moments of a corpus, without iterating over documents.

The moments determine a topic mu_i up to its scale and its prior alpha_i (see `moments`):

    alpha_i = 4 a0 (a0 + 1) / ((a0 + 2) lambda_i)^2,   mu_i = (a0 + 2) / 2 lambda_i pinv(W') v_i

Noise makes some probabilities negative. A direction that is noise has large ones: topics with much
negative mass are rejected. Their alpha says nothing: where lambda_i is noise, alpha_i is huge.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.lda.corpus import Documents
from sagebrush.algorithms.lda.moments import Moments, Whitening, piece_of
from sagebrush.algorithms.lda.tensor import Terms, decompose
from sagebrush.algorithms.lda.variational import Topics
from sagebrush.algorithms.lda.workers import Workers

Doubles = NDArray[np.float64]

LARGEST_NEGATIVE_MASS = 0.35
ENTRIES_FOR_MOMENTS = 1 << 23
PIECE_ENTRIES = 1 << 17
TRIPLE_OPERATIONS = 1 << 40


class Search(NamedTuple):
    """How hard to search for the decomposition of the tensor."""

    restarts: int = 10
    iterations: int = 1000
    tolerance: float = 1e-8


def spectral_topics(
    blocks: list[Documents],
    count: int,
    surplus: int,
    concentration: float,
    *,
    search: Search,
    workers: Workers,
    rng: np.random.Generator,
) -> Topics | None:
    """About ``count`` topics; None if there are none.

    Up to ``surplus`` more are found where they stand out of the noise, and fewer where they do not.

    Of a large corpus evenly spread documents are used: more would not improve the start of what
    follows. Documents of fewer than three words say nothing here.
    """
    pieces = [piece_of(each) for each in _chosen(blocks)]
    moments = Moments(pieces, concentration, workers.map)
    if not moments.documents:
        return None
    whitening = moments.whitening(count, surplus, rng)
    if not whitening.rank:
        return None
    terms = decompose(
        moments.whitened_triples(whitening),
        restarts=search.restarts,
        iterations=search.iterations,
        tolerance=search.tolerance,
        rng=rng,
        stop_requested=workers.stop_requested,
    )
    return _topics(terms, whitening, concentration)


def _chosen(blocks: list[Documents]) -> list[NDArray[np.float32]]:
    entries = sum(block.words.size for block in blocks)
    stride = max(1, -(-entries // ENTRIES_FOR_MOMENTS))
    pieces = [(block, *piece) for block in blocks for piece in block.pieces(PIECE_ENTRIES)]
    return [block.matrix[first:last] for block, first, last in pieces[::stride]]


def _topics(terms: Terms, whitening: Whitening, concentration: float) -> Topics | None:
    factor = (concentration + 2.0) / 2.0
    signed = (whitening.back @ terms.vectors).T * (factor * terms.weights[:, None])
    negative = np.maximum(-signed, 0.0).sum(axis=1)
    positive = np.maximum(signed, 0.0)
    mass = positive.sum(axis=1)
    kept = (terms.weights > 0) & (negative <= LARGEST_NEGATIVE_MASS * (mass + negative))
    if not kept.any():
        return None
    beta = positive[kept] / mass[kept, None]
    alpha = concentration * (concentration + 1.0) / (factor * terms.weights[kept]) ** 2
    return Topics(alpha, beta)
