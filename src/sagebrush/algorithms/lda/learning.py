"""From a corpus to a model: the spectral start, the choice of topics, the variational passes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.lda.corpus import Corpus, Documents, joined
from sagebrush.algorithms.lda.kernel import TopicTable
from sagebrush.algorithms.lda.spectral import Search, spectral_topics
from sagebrush.algorithms.lda.variational import (
    Part,
    Statistics,
    Topics,
    infer,
    part_of,
    statistics_of,
    updated,
)
from sagebrush.algorithms.lda.workers import Workers

Doubles = NDArray[np.float64]

SURPLUS = 1.25
# Smoothing of a start: a word that a topic has never could not come into it.
BACKGROUND = 0.001
CHOICE_PASSES = 10
# What the moments do not say is tried from several documents.
SEEDINGS = 5
JUDGED_DOCUMENTS = 2000
SUBSET_SHARE = 8
SUBSET_ENTRIES = 1 << 19
SUBSET_PASSES = 200
PASSES = 100
PASS_ITERATIONS = 3
PASS_TOLERANCE = 1e-3
STREAM_ITERATIONS = 30
CHUNK_ENTRIES = 1 << 20
LARGEST_CHANGE = 1e-4


@dataclass
class Learner:
    """Learns topics; ``report`` gets a line about each step.

    ``refine`` false leaves the spectral topics as they are.
    """

    topics: int
    concentration: float
    search: Search
    workers: Workers
    rng: np.random.Generator
    refine: bool = True
    report: Callable[[str], None] = field(default=lambda _: None)

    def learn(self, corpus: Corpus) -> Topics:
        """The model of the corpus' kept documents; where a stop is requested, that found so far."""
        model = self._seeded(corpus, None)
        try:
            found = spectral_topics(
                corpus.blocks,
                self.topics,
                int(np.ceil(SURPLUS * self.topics)) - self.topics,
                self.concentration,
                search=self.search,
                workers=self.workers,
                rng=self.rng,
            )
            self.report(f"spectral method: {0 if found is None else found.alpha.size} topics")
            model = self._seeded(corpus, found)
            if not self.refine:
                return self._largest(model)
            subset = self._subset(corpus.blocks)
            lacking = found is None or found.alpha.size < self.topics
            others = [self._seeded(corpus, found) for _ in range(SEEDINGS - 1) if lacking]
            model = self._best([self._chosen(each, subset) for each in [model, *others]], subset)
            if subset is not corpus.blocks:
                model = self._converged(model, subset, SUBSET_PASSES)
            model = self._converged(model, corpus.blocks, PASSES)
        except InterruptedError:
            self.report("stopped: the topics are those of the last complete step")
            model = self._largest(model)
        return model

    def _seeded(self, corpus: Corpus, found: Topics | None) -> Topics:
        """The topics found; what lacks is made from documents, so that the passes may use it."""
        blocks = corpus.blocks
        words = _word_shares(blocks)
        count = 0 if found is None else found.alpha.size
        rows = [] if found is None else list(found.beta)
        alpha = [] if found is None else list(found.alpha)
        while len(rows) < self.topics:
            rows.append(_document_shares(blocks, self.rng))
            alpha.append(float(np.mean(alpha)) if count else 1.0)
        beta = (1.0 - BACKGROUND) * np.array(rows) + BACKGROUND * words
        prior = np.array(alpha)
        # A spectral alpha of noise may be huge, and that of no use to its documents.
        prior = np.clip(prior, 0.2 * np.median(prior), 5.0 * np.median(prior))
        return Topics(prior * (self.concentration / prior.sum()), beta)

    def _chosen(self, model: Topics, blocks: list[Documents]) -> Topics:
        """As many topics as asked for: after some passes, those with the largest priors.

        Before, the prior of a topic that is noise says nothing; the passes leave it without words.
        """
        parts = [part_of(block, model.alpha) for block in blocks]
        for _ in range(CHOICE_PASSES):
            model = updated(model, self._expected(parts, model))
        return self._largest(model)

    def _best(self, models: list[Topics], blocks: list[Documents]) -> Topics:
        """The model under which some of the documents are most likely."""
        if len(models) == 1:
            return models[0]
        judged = Documents.of(blocks[0].matrix[:JUDGED_DOCUMENTS])
        bounds = []
        for model in models:
            table = TopicTable(model.beta, model.alpha)
            scores = infer(judged, table, iterations=STREAM_ITERATIONS, tolerance=PASS_TOLERANCE)[1]
            bounds.append(float(scores.sum()))
        return models[int(np.argmax(bounds))]

    def _largest(self, model: Topics) -> Topics:
        kept = np.sort(np.argsort(-model.alpha, kind="stable")[: self.topics])
        alpha = model.alpha[kept]
        return Topics(alpha * (self.concentration / alpha.sum()), model.beta[kept])

    def _converged(self, model: Topics, blocks: list[Documents], passes: int) -> Topics:
        parts = [part_of(block, model.alpha) for block in blocks]
        change, count = np.inf, 0
        while change >= LARGEST_CHANGE and count < passes:
            before = model
            model = updated(model, self._expected(parts, model))
            change = float(np.abs(model.beta - before.beta).sum(axis=1).mean())
            count += 1
        documents = sum(block.rows for block in blocks)
        self.report(f"{count} variational passes over {documents} documents, change {change:.2g}")
        return model

    def _expected(self, parts: list[Part], model: Topics) -> Statistics:
        return statistics_of(
            parts, model, self.workers, iterations=PASS_ITERATIONS, tolerance=PASS_TOLERANCE
        )

    def _subset(self, blocks: list[Documents]) -> list[Documents]:
        """Every so manieth block of a corpus that is large enough for a part to tell the topics."""
        entries = sum(block.words.size for block in blocks)
        return blocks if entries < SUBSET_SHARE * SUBSET_ENTRIES else blocks[::SUBSET_SHARE]

    def absorb(
        self, model: Topics, corpus: Corpus, stream: Iterable[Documents], chunk_rows: int
    ) -> Topics:
        """The model after one pass over all documents, of which the corpus kept a sample.

        Incremental EM (Neal and Hinton 1998): what the sample says, scaled up, is replaced chunk by
        chunk by what the documents themselves say. Lets go of the sample. Where a stop is
        requested, the model of the chunks so far.
        """
        try:
            parts = [part_of(block, model.alpha) for block in corpus.blocks]
            corpus.blocks.clear()
            guess = self._settled(parts, model).scaled(1.0 / corpus.share)
            del parts
            total = max(corpus.documents, 1)
            seen: Statistics | None = None
            for chunk in _chunks(stream, chunk_rows):
                found = self._settled([part_of(chunk, model.alpha)], model)
                seen = found if seen is None else found.added_to(seen)
                left = max(0.0, 1.0 - seen.documents / total)
                both = seen if left == 0.0 else seen.added_to(guess.scaled(left))
                model = updated(model, both)
        except InterruptedError:
            self.report("stopped: the topics are those of the documents so far")
        return model

    def _settled(self, parts: list[Part], model: Topics) -> Statistics:
        return statistics_of(
            parts, model, self.workers, iterations=STREAM_ITERATIONS, tolerance=PASS_TOLERANCE
        )


def _chunks(stream: Iterable[Documents], rows: int) -> Iterator[Documents]:
    """The documents in chunks worth an update of the topics: its cost is that of the vocabulary."""
    pending: list[Documents] = []
    for documents in stream:
        pending.append(documents)
        entries = sum(each.words.size for each in pending)
        enough = sum(each.rows for each in pending) >= rows and entries >= documents.vocabulary
        if enough or entries >= CHUNK_ENTRIES:
            yield joined(pending)
            pending = []
    if pending:
        yield joined(pending)


def _word_shares(blocks: list[Documents]) -> Doubles:
    total = np.zeros(blocks[0].vocabulary)
    for block in blocks:
        total += np.bincount(block.words, block.counts, minlength=total.size)
    return total / max(float(total.sum()), 1.0)


def _document_shares(blocks: list[Documents], rng: np.random.Generator) -> Doubles:
    block = blocks[rng.integers(len(blocks))]
    document = rng.integers(block.rows)
    shares = block.matrix[document].toarray().ravel().astype(np.float64)
    total = shares.sum()
    return shares / total if total > 0 else np.full(shares.size, 1.0 / shares.size)
