"""Moments of word counts, and the topics that they determine: the spectral method for LDA.

Notation: a document of N words has counts c; x1, x2, x3 are three of its words drawn without
replacement, as indicator vectors; a0 the sum of the Dirichlet prior; A = diag(m1)^(-1/2).

    m1 = E[x1]
    M2 = E[x1 x2'] - a0 / (a0 + 1) m1 m1'                        = sum_i s_i mu_i mu_i'
    M3 = E[x1 x2 x3] - a0 / (a0 + 2) sym(E[x1 x2 m1])
         + 2 a0^2 / ((a0 + 1) (a0 + 2)) m1 m1 m1                 = sum_i t_i mu_i mu_i mu_i
    E[x1 x2' | c] = (c c' - diag(c)) / (N (N - 1))

with s_i = alpha_i / (a0 (a0 + 1)) and t_i = 2 alpha_i / (a0 (a0 + 1) (a0 + 2)). W (V, r) whitens:
W' M2 W = I. Then M3(W, W, W) = sum_i lambda_i v_i v_i v_i with orthonormal v_i and
mu_i = (a0 + 2) / 2 lambda_i pinv(W') v_i.

Words are weighed by A before the singular vectors of M2 are chosen. The topics do not depend on
that, their errors do: the noise of a pair of words grows with the product of their frequencies, so
without A the frequent words' noise hides the topics of rarer ones.

M2 is never formed for a large vocabulary: a randomised range finder (Halko, Martinsson, Tropp 2011)
needs only its product with a thin matrix. The eigenvalues below zero, which M2 has only by noise,
say which of those above zero are noise, too.

Reference: A. Anandkumar, R. Ge, D. Hsu, S. Kakade, M. Telgarsky, "Tensor decompositions for
learning latent variable models", JMLR 15, 2014, theorem 3.5 and section 4.3.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Doubles = NDArray[np.float64]

DENSE_VOCABULARY = 512
OVERSAMPLING = 10
POWER_STEPS = 2
SHORTEST = 3
LARGEST_RANK = 192
PRODUCTS_AT_ONCE = 1 << 20

Map = Callable[[Callable[["Piece"], Doubles], Iterable["Piece"]], Iterable[Doubles]]


class Piece(NamedTuple):
    """Some documents of at least three words: counts (documents, V) and lengths (documents,)."""

    counts: sparse.csr_matrix
    lengths: Doubles

    @property
    def pair_weights(self) -> Doubles:
        """1 / (N (N - 1)) of each document."""
        return 1.0 / (self.lengths * (self.lengths - 1.0))

    @property
    def triple_weights(self) -> Doubles:
        """1 / (N (N - 1) (N - 2)) of each document."""
        return self.pair_weights / (self.lengths - 2.0)


def piece_of(counts: sparse.csr_matrix) -> Piece:
    """The documents that have three words or more."""
    counts = counts.astype(np.float64)
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    long = lengths >= SHORTEST
    return Piece(counts, lengths) if long.all() else Piece(counts[long], lengths[long])


class Whitening(NamedTuple):
    """W (V, r) with W' M2 W = I, and the transpose of its pseudo-inverse (V, r)."""

    forth: Doubles
    back: Doubles

    @property
    def rank(self) -> int:
        """The number of directions that stand out of the noise."""
        return int(self.forth.shape[1])


class Moments:
    """First and second moments of documents; the third one whitened.

    ``run`` maps a function over pieces, several at a time if it likes, in order.
    """

    def __init__(self, pieces: list[Piece], concentration: float, run: Map) -> None:
        self._pieces = [piece for piece in pieces if piece.lengths.size]
        self._concentration = concentration
        self._run = run
        self.documents = sum(piece.lengths.size for piece in self._pieces)
        if not self.documents:
            return
        self.mean = self._mean(lambda piece: piece.counts.T @ (1.0 / piece.lengths))
        self._pair_diagonal = self._mean(lambda piece: piece.counts.T @ piece.pair_weights)
        seen = self.mean > 0
        self._scale = np.where(seen, 1.0 / np.sqrt(np.where(seen, self.mean, 1.0)), 0.0)
        self._unscale = np.sqrt(self.mean)

    def _mean(self, function: Callable[[Piece], Doubles]) -> Doubles:
        total: Doubles | None = None
        for part in self._run(function, self._pieces):
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        return total / self.documents

    def _pair_product(self, matrix: Doubles) -> Doubles:
        """A M2 A times a (V, l) matrix."""
        scaled = self._scale[:, None] * matrix
        product = self._mean(
            lambda piece: piece.counts.T @ ((piece.counts @ scaled) * piece.pair_weights[:, None])
        )
        product -= self._pair_diagonal[:, None] * scaled
        factor = self._concentration / (self._concentration + 1.0)
        product -= factor * np.outer(self.mean, self.mean @ scaled)
        return product * self._scale[:, None]

    def whitening(self, rank: int, surplus: int, rng: np.random.Generator) -> Whitening:
        """The whitening to ``rank`` directions, and up to ``surplus`` more that are not noise.

        Fewer where M2 has fewer positive eigenvalues.
        """
        vocabulary = self.mean.size
        width = rank + surplus + OVERSAMPLING
        if vocabulary <= max(width, DENSE_VOCABULARY):
            basis = np.eye(vocabulary)
        else:
            basis = rng.normal(size=(vocabulary, width))
            for _ in range(POWER_STEPS):
                basis = np.linalg.qr(self._pair_product(basis))[0]
        projected = basis.T @ self._pair_product(basis)
        values, vectors = np.linalg.eigh((projected + projected.T) / 2)
        values, vectors = values[::-1], vectors[:, ::-1]
        clear = int((values > -values[-1]).sum())
        positive = int((values > 1e-10 * values[0]).sum())
        kept = min(positive, LARGEST_RANK, max(rank, min(rank + surplus, clear)))
        basis = basis @ vectors[:, :kept]
        roots = np.sqrt(values[:kept])
        return Whitening(
            self._scale[:, None] * basis / roots, self._unscale[:, None] * basis * roots
        )

    def whitened_triples(self, whitening: Whitening) -> Doubles:
        """M3(W, W, W), shape (r, r, r)."""
        forth, rank = whitening.forth, whitening.rank
        total = self._mean(lambda piece: _cubes(piece.counts @ forth, piece.triple_weights))
        weighted = self._mean(
            lambda piece: piece.counts.T @ ((piece.counts @ forth) * piece.triple_weights[:, None])
        )
        diagonal = self._mean(lambda piece: piece.counts.T @ piece.triple_weights)
        total -= _symmetric(
            _outer_sum(forth, forth, weighted - 2.0 / 3.0 * diagonal[:, None] * forth)
        )
        a0 = self._concentration
        mean = forth.T @ self.mean
        pairs = np.eye(rank) + a0 / (a0 + 1.0) * np.outer(mean, mean)
        total -= a0 / (a0 + 2.0) * _symmetric(np.multiply.outer(pairs, mean))
        cube = np.multiply.outer(np.outer(mean, mean), mean)
        return total + 2.0 * a0 * a0 / ((a0 + 1.0) * (a0 + 2.0)) * cube


def _cubes(rows: Doubles, weights: Doubles) -> Doubles:
    """sum_d w_d p_d (x) p_d (x) p_d of the rows p_d."""
    return _outer_sum(rows, rows, rows * weights[:, None])


def _outer_sum(first: Doubles, second: Doubles, third: Doubles) -> Doubles:
    """sum_d a_d (x) b_d (x) c_d, a block of rows at a time: the products are the large thing."""
    width = first.shape[1]
    total = np.zeros((width * width, width))
    step = max(8, PRODUCTS_AT_ONCE // (width * width))
    for begin in range(0, first.shape[0], step):
        rows = slice(begin, begin + step)
        products = (first[rows, :, None] * second[rows, None, :]).reshape(-1, width * width)
        total += products.T @ third[rows]
    return total.reshape(width, width, width)


def _symmetric(tensor: Doubles) -> Doubles:
    """The sum over the three places of the last index; the tensor is symmetric in the first two."""
    return tensor + tensor.transpose(0, 2, 1) + tensor.transpose(2, 0, 1)
