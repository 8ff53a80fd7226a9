"""Variational inference for LDA: the passes that refine topics, and documents' mixtures.

Notation: phi_k the topics (V,), alpha the prior of mixtures with the fixed sum a0, n_dk the
expected number of words of document d in topic k, E[log theta_dk] = psi(n_dk + alpha_k) -
psi(N_d + a0).

    expectation   n_dk <- sum_w c_dw r_dwk,   r_dwk ~ exp(E[log theta_dk]) phi_kw
    topics        phi_kw ~ eta + sum_d c_dw r_dwk
    prior         psi(alpha_k) = mean_d E[log theta_dk] - mu,   mu such that the sum stays a0

Each step raises a lower bound of the likelihood. From a start near the truth few passes are needed.

Reference: D. Blei, A. Ng, M. Jordan, "Latent Dirichlet allocation", JMLR 3, 2003.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, polygamma

from sagebrush.algorithms.lda.corpus import Documents
from sagebrush.algorithms.lda.kernel import TopicTable, expect, padded
from sagebrush.algorithms.lda.workers import Workers

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Between what suits generated topics (less) and real text (more).
SMOOTHING = 0.05
LEAST_PRIOR_SHARE = 1e-3
LARGEST_PIECE_ENTRIES = 1 << 17
SMALLEST_PIECE_ENTRIES = 1 << 10
NEWTON_STEPS = 6
BISECTIONS = 60


class Topics(NamedTuple):
    """A model: ``alpha`` (k,) and ``beta`` (k, V), rows of which sum to one."""

    alpha: Doubles
    beta: Doubles


class Part(NamedTuple):
    """Documents, their expected counts (documents, stride), their lengths (documents,)."""

    documents: Documents
    expected: Floats
    lengths: Doubles


def part_of(documents: Documents, alpha: Doubles) -> Part:
    """The documents, each expected to have the mixture of the prior."""
    lengths = documents.lengths()
    expected = np.zeros((documents.rows, padded(alpha.size)), np.float32)
    np.outer(lengths, alpha / alpha.sum(), out=expected[:, : alpha.size])
    return Part(documents, expected, lengths)


class Statistics(NamedTuple):
    """What documents say of a model.

    ``counts`` (V, stride) expected words in topics; ``log_mixtures`` (stride,) the sum of
    E[log theta]; ``documents`` how many there are.
    """

    counts: Doubles
    log_mixtures: Doubles
    documents: float

    def scaled(self, factor: float) -> Self:
        """As if there were so many times the documents."""
        return type(self)(self.counts * factor, self.log_mixtures * factor, self.documents * factor)

    def added_to(self, other: Self) -> Self:
        """Those of both; changes the other's arrays."""
        counts = np.add(self.counts, other.counts, out=other.counts)
        logs = self.log_mixtures + other.log_mixtures
        return type(self)(counts, logs, self.documents + other.documents)


def statistics_of(
    parts: Sequence[Part],
    model: Topics,
    workers: Workers,
    *,
    iterations: int,
    tolerance: float,
) -> Statistics:
    """One expectation step over the parts, which keep their expected counts.

    Which thread gets which documents depends on nothing but their number: the sums are repeatable.
    """
    table = TopicTable(model.beta, model.alpha)
    pieces = _pieces(parts, workers.threads)

    def collect(thread: int) -> tuple[Doubles, Doubles]:
        counts = np.zeros((table.words, table.stride))
        logs = np.zeros(table.stride)
        for part, first, last in pieces[thread :: workers.threads]:
            if workers.stop_requested():
                break
            expect(
                part.documents,
                first,
                last,
                table,
                part.expected,
                iterations=iterations,
                tolerance=tolerance,
                statistics=counts,
                log_weights=logs,
            )
        return counts, logs

    total: tuple[Doubles, Doubles] | None = None
    for counts, logs in workers.map(collect, range(workers.threads)):
        if total is None:
            total = counts, logs
        else:
            np.add(total[0], counts, out=total[0])
            np.add(total[1], logs, out=total[1])
    if total is None or workers.stop_requested():
        raise InterruptedError("training was stopped")
    concentration = float(model.alpha.sum())
    normaliser = sum(float(digamma(part.lengths + concentration).sum()) for part in parts)
    documents = float(sum(part.lengths.size for part in parts))
    return Statistics(total[0], total[1] - normaliser, documents)


def _pieces(parts: Sequence[Part], threads: int) -> list[tuple[Part, int, int]]:
    entries = sum(part.documents.words.size for part in parts)
    size = min(max(entries // (8 * threads), SMALLEST_PIECE_ENTRIES), LARGEST_PIECE_ENTRIES)
    return [(part, *piece) for part in parts for piece in part.documents.pieces(size)]


def updated(model: Topics, statistics: Statistics, smoothing: float = SMOOTHING) -> Topics:
    """The model that fits the statistics best; the sum of alpha stays."""
    topics = model.alpha.size
    beta = statistics.counts[:, :topics].T + smoothing
    beta /= beta.sum(axis=1, keepdims=True)
    return Topics(_fitted_prior(model.alpha, statistics), beta)


def _fitted_prior(alpha: Doubles, statistics: Statistics) -> Doubles:
    total = float(alpha.sum())
    means = statistics.log_mixtures[: alpha.size] / max(statistics.documents, 1.0)
    # digamma lies below log: the largest topic alone needs mu above this, all of them mu below.
    low = float(means.max() - digamma(total)) - 1e-9
    high = float(means.max() - digamma(total / alpha.size)) + 1e-9
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if inverse_digamma(means - middle).sum() > total:
            low = middle
        else:
            high = middle
    fitted = np.maximum(inverse_digamma(means - high), LEAST_PRIOR_SHARE * total / alpha.size)
    return np.asarray(fitted * (total / fitted.sum()))


def inverse_digamma(values: Doubles) -> Doubles:
    """x > 0 with digamma(x) = value (Minka 2000, appendix C)."""
    bounded = np.maximum(values, -1e6)
    with np.errstate(over="ignore"):
        found = np.where(bounded >= -2.22, np.exp(bounded) + 0.5, -1.0 / (bounded - digamma(1.0)))
    for _ in range(NEWTON_STEPS):
        found = found - (digamma(found) - bounded) / polygamma(1, found)
    return np.asarray(found)


def infer(
    documents: Documents, table: TopicTable, *, iterations: int, tolerance: float
) -> tuple[Doubles, Doubles]:
    """Expected counts (documents, k) and a lower bound of each document's log likelihood.

    The bound is of the words in their order, without the multinomial coefficient.
    """
    alpha = table.alpha[: table.count].astype(np.float64)
    part = part_of(documents, alpha)
    everything = (part.documents, 0, documents.rows, table)
    expect(*everything, part.expected, iterations=iterations, tolerance=tolerance)
    found = part.expected[:, : table.count].astype(np.float64)
    scores = np.zeros(documents.rows)
    expect(*everything, part.expected, iterations=0, tolerance=0.0, log_likelihoods=scores)
    posterior = found + alpha
    totals = posterior.sum(axis=1)
    logs = digamma(posterior) - digamma(totals)[:, None]
    scores -= part.lengths * digamma(totals)
    scores += ((alpha - posterior) * logs + gammaln(posterior)).sum(axis=1) - gammaln(totals)
    scores += gammaln(alpha.sum()) - gammaln(alpha).sum()
    return found, scores
