"""Generated documents of known topics."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment


class Generated(NamedTuple):
    """Counts (documents, V), topics (k, V), mixtures (documents, k)."""

    counts: sparse.csr_matrix
    topics: np.ndarray
    mixtures: np.ndarray


def bars(topics: int, documents: int, seed: int = 0, length: int = 150) -> Generated:
    """The documents of Griffiths and Steyvers 2004: rows and columns of 5 by 5 images."""
    random = np.random.default_rng(seed)
    images = np.zeros((10, 5, 5))
    for side in range(5):
        images[side, side] = random.dirichlet(np.full(5, 100.0))
        images[5 + side, :, side] = random.dirichlet(np.full(5, 100.0))
    beta = images.reshape(10, 25)[random.permutation(10)[:topics]]
    mixtures = random.dirichlet(np.full(topics, 1.0 / topics), size=documents)
    lengths = random.poisson(length, documents)
    words = mixtures @ beta
    counts = [random.multinomial(n, p / p.sum()) for n, p in zip(lengths, words, strict=True)]
    return Generated(sparse.csr_matrix(np.array(counts, np.float32)), beta, mixtures)


def topic_error(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean L1 distance, 0 to 2, of matched topics."""
    distances = np.abs(truth[:, None] - found[None]).sum(axis=2)
    rows, columns = linear_sum_assignment(distances)
    return float(distances[rows, columns].mean())
