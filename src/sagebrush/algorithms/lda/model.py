"""Latent Dirichlet allocation: topics by the spectral method, refined by variational passes.

Notation: D documents over a vocabulary of V words; k topics beta_i (V,), each a distribution over
words; alpha (k,) with the sum a0, the Dirichlet prior of a document's mixture of topics theta.

    theta ~ Dirichlet(alpha);  each word: z ~ theta, w ~ beta_z

1. The moments of pairs and triples of words determine the topics: see `moments`, `tensor` and
   `spectral`. A quarter more topics than asked for are computed.
2. A few variational passes make them the most likely ones near this start: see `variational`.
   Topics that are noise lose their words, and those with the largest priors are kept.

A pass costs O(entries k). Memory: what fits in a budget is kept; of more than that a uniform sample
is, and one more pass over everything follows.

References: A. Anandkumar et al., "Tensor decompositions for learning latent variable models", JMLR
15, 2014; D. Blei, A. Ng, M. Jordan, "Latent Dirichlet allocation", JMLR 3, 2003.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lda.artifact import read_model, write_model
from sagebrush.algorithms.lda.corpus import Corpus, Documents
from sagebrush.algorithms.lda.kernel import TopicTable, padded
from sagebrush.algorithms.lda.learning import SURPLUS, Learner
from sagebrush.algorithms.lda.spectral import Search
from sagebrush.algorithms.lda.variational import infer
from sagebrush.algorithms.lda.workers import Workers
from sagebrush.algorithms.replay import default_budget_bytes

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# A topic with less than this part of a word is not in the document.
LEAST_WORDS = 0.1
INFERENCE_ITERATIONS = 200
INFERENCE_TOLERANCE = 1e-5
INFERENCE_ENTRIES = 1 << 17


class LDA:
    """Topics of documents given as word counts.

    ``num_topics``, ``alpha0`` (the sum of the prior of mixtures, kept as it is),
    ``max_restarts``, ``max_iterations``, ``tol`` (the decomposition's) and ``mini_batch_size`` (the
    documents per update where the data is larger than ``budget_bytes``: 256 MiB unless given, or
    less where a job's memory is small) are the algorithm's documented hyperparameters. ``refine``
    false leaves out the variational passes. ``seed`` makes a run repeatable, given the number of
    ``threads``; ``report`` gets lines about what is done; training ends early, with what it has,
    once ``stop_requested`` says so.

    After `fit`: ``alpha_`` (k,) and ``beta_`` (k, V), float32; rows of ``beta_`` sum to one.
    """

    def __init__(
        self,
        num_topics: int = 10,
        *,
        alpha0: float = 1.0,
        max_restarts: int = 10,
        max_iterations: int = 1000,
        tol: float = 1e-8,
        mini_batch_size: int = 10_000,
        refine: bool = True,
        budget_bytes: int | None = None,
        seed: int = 0,
        threads: int = 1,
        report: Callable[[str], None] = lambda _: None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.num_topics = num_topics
        self.alpha0 = alpha0
        self.max_restarts = max_restarts
        self.max_iterations = max_iterations
        self.tol = tol
        self.mini_batch_size = mini_batch_size
        self.refine = refine
        self.budget_bytes = budget_bytes
        self.seed = seed
        self.threads = threads
        self.report = report
        self.stop_requested = stop_requested
        self.alpha_: Floats | None = None
        self.beta_: Floats | None = None
        self._table: tuple[Floats, TopicTable] | None = None

    def fit(self, X: Any) -> Self:
        """Learn from the (documents, V) array or scipy sparse matrix of counts; returns self.

        Raises ClientError for counts that are negative, not finite or above 1e9, and where there
        is no word at all.
        """
        return self.fit_stream(lambda: [X])

    def fit_stream(self, passes: Callable[[], Iterable[Any]]) -> Self:
        """Learn from batches of documents: each call of ``passes`` begins a pass over the data.

        One pass is made if the data fits in ``budget_bytes``, else two. Batches are as in `fit`,
        all of one width.
        """
        rng = np.random.default_rng(self.seed)
        with single_threaded_blas(), Workers(self.threads, self.stop_requested) as workers:
            corpus = self._read(passes(), rng)
            learner = Learner(
                self.num_topics,
                self.alpha0,
                Search(self.max_restarts, self.max_iterations, self.tol),
                workers,
                rng,
                refine=self.refine,
                report=self.report,
            )
            model = learner.learn(corpus)
            if not corpus.complete and self.refine and not self.stop_requested():
                self.report(f"kept {corpus.share:g} of the documents, all are read once more")
                stream = (Documents.of(batch) for batch in passes())
                model = learner.absorb(model, corpus, stream, self.mini_batch_size)
        order = np.argsort(-model.alpha, kind="stable")
        self.alpha_ = model.alpha[order].astype(np.float32)
        self.beta_ = model.beta[order].astype(np.float32)
        return self

    def _read(self, batches: Iterable[Any], rng: np.random.Generator) -> Corpus:
        width = int(np.ceil(SURPLUS * self.num_topics))
        corpus = Corpus(
            budget_bytes=default_budget_bytes() if self.budget_bytes is None else self.budget_bytes,
            row_bytes=np.dtype(np.float32).itemsize * padded(width),
            rng=rng,
        )
        for batch in batches:
            corpus.add(Documents.of(batch))
            if self.stop_requested():
                break
        corpus.close()
        if not corpus.documents:
            raise ClientError("The train channel holds no examples.")
        if not any(block.words.size for block in corpus.blocks):
            if not corpus.complete:
                raise ClientError(
                    f"'num_topics' is {self.num_topics}: with so many topics no document fits in "
                    "memory."
                )
            raise ClientError("The documents hold no words: all counts are zero.")
        self.report(f"read {corpus.documents} documents")
        return corpus

    def transform(self, X: Any) -> Floats:
        """The mixture of topics of each document, shape (n, k); rows sum to one.

        It is the mean of the variational posterior over the topics that have some word of the
        document; the others are exactly zero. A document without words has the mean of the prior.
        """
        table = self._fitted()
        alpha = table.alpha[: table.count]
        rows = [_mixtures(found, alpha) for found, _ in self._inferred(X)]
        return np.concatenate([*rows, np.zeros((0, table.count), np.float32)])

    def predict(self, X: Any) -> NDArray[np.int64]:
        """The topic with the largest part in each document, shape (n,)."""
        return np.asarray(self.transform(X).argmax(axis=1))

    def score(self, X: Any) -> float:
        """The log likelihood per word, in nats: `log_likelihood` over the number of words.

        ClientError if there are no words.
        """
        total, words = self.log_likelihood(X)
        if words == 0:
            raise ClientError("The documents hold no words: all counts are zero.")
        return total / words

    def log_likelihood(self, X: Any) -> tuple[float, float]:
        """A lower bound of the documents' log likelihood, in nats, and their number of words.

        The bound is the variational one, log p(w | alpha, beta) less the divergence of the
        approximate posterior, and so does not reward topics for fitting the scored document itself.
        """
        total = sum(float(scores.sum()) for _, scores in self._inferred(X))
        return total, float(X.sum(dtype=np.float64))

    def _inferred(self, X: Any) -> Iterable[tuple[Doubles, Doubles]]:
        table = self._fitted()
        documents = Documents.of(X)
        if documents.vocabulary != table.words:
            raise ValueError(f"expected {table.words} features, got {documents.vocabulary}")

        def run(piece: tuple[int, int]) -> tuple[Doubles, Doubles]:
            part = Documents.of(documents.matrix[slice(*piece)])
            return infer(
                part, table, iterations=INFERENCE_ITERATIONS, tolerance=INFERENCE_TOLERANCE
            )

        with Workers(self.threads if documents.words.size > INFERENCE_ENTRIES else 1) as workers:
            yield from workers.map(run, documents.pieces(INFERENCE_ENTRIES))

    def _fitted(self) -> TopicTable:
        """The topics as the kernel reads them, made once."""
        if self.alpha_ is None or self.beta_ is None:
            raise ValueError("the model has not been fitted")
        if self._table is None or self._table[0] is not self.beta_:
            beta = self.beta_ / self.beta_.sum(axis=1, keepdims=True)
            self._table = self.beta_, TopicTable(beta, self.alpha_)
        return self._table[1]

    def save(self, directory: Path) -> None:
        """Write ``model_algo-1`` into the directory: an MXNet array list of alpha and beta."""
        if self.alpha_ is None or self.beta_ is None:
            raise ValueError("the model has not been fitted")
        write_model(directory / "model_algo-1", self.alpha_, self.beta_)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """A model for inference from the artefact in the directory, ours or AWS's."""
        alpha, beta = read_model(directory)
        model = cls(alpha.size, alpha0=float(alpha.sum()))
        model.alpha_, model.beta_ = alpha, beta
        return model


def _mixtures(expected: Doubles, alpha: Floats) -> Floats:
    """Posterior means, with zeros for topics that have next to no word of the document."""
    used = expected >= LEAST_WORDS
    used[~used.any(axis=1)] = True
    mixtures = np.where(used, expected + alpha, 0.0)
    return np.asarray(mixtures / mixtures.sum(axis=1, keepdims=True), np.float32)
