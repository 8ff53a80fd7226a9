"""LDA beside scikit-learn's, gensim's and tomotopy's: known topics, and news texts.

Sizes are counted in non-zeros: a document's words that occur, each with its count.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.algorithm_tasks import (
    PEERS,
    THREADS,
    Contender,
    Faster,
    Fit,
    NoWorse,
    Quality,
    Task,
)

_PEERS = Path(__file__).resolve().parents[2] / ".envs" / f"peer-{PEERS}"
_LEE = "lib/python3.*/site-packages/gensim/test/test_data/lee_background.cor"
_STOP_WORDS = """about after all also and any are because been before being but can could did for
from had has have her him his how into its just more not one only other our out over she some than
that the their them then there they this very was were what when which who will with would you
said"""
_FOLD_IN_STEPS = 100


@dataclass(frozen=True)
class Documents:
    """Word counts to learn from, k; the topics that made them, or documents held out."""

    counts: Any
    k: int
    topics: Any = None
    held_out: Any = None


def _bars(topics: int) -> Any:
    """Return the data of Griffiths and Steyvers 2004: rows and columns of 5 by 5 images."""

    def data(rows: int, seed: int) -> Documents:
        random = np.random.default_rng([11, seed])
        images = np.zeros((10, 5, 5))
        for side in range(5):
            images[side, side] = random.dirichlet(np.full(5, 100.0))
            images[5 + side, :, side] = random.dirichlet(np.full(5, 100.0))
        beta = images.reshape(10, 25)[random.permutation(10)[:topics]]
        return Documents(_drawn(beta, rows, 150, random), topics, topics=beta)

    return data


def _zipf(rows: int, seed: int) -> Documents:
    """Return documents of 150 words, 20 topics over 2,000 words whose frequencies follow Zipf."""
    random = np.random.default_rng([12, seed])
    frequencies = 1.0 / np.arange(1, 2001) ** 0.9
    beta = random.dirichlet(frequencies / frequencies.sum() * 100.0 + 1e-6, size=20)
    return Documents(_drawn(beta, rows, 150, random), 20, topics=beta)


def _drawn(beta: Any, rows: int, length: int, random: np.random.Generator) -> Any:
    """Return counts drawn by LDA's own model, the prior of mixtures 1 / k for each topic."""
    topics, words = beta.shape
    cumulative = np.cumsum(beta, axis=1)
    cumulative /= cumulative[:, -1:]
    parts = []
    for first in range(0, rows, 20_000):
        count = min(20_000, rows - first)
        mixtures = np.cumsum(random.dirichlet(np.full(topics, 1.0 / topics), size=count), axis=1)
        document = np.repeat(np.arange(count), np.maximum(random.poisson(length, count), 1))
        place = random.random(document.size)
        chosen = np.zeros(document.size, np.int64)
        for topic in range(topics - 1):
            chosen += place > mixtures[document, topic]
        drawn = np.empty(document.size, np.int64)
        for topic in range(topics):
            here = np.flatnonzero(chosen == topic)
            drawn[here] = np.searchsorted(cumulative[topic], random.random(here.size))
        drawn = np.minimum(drawn, words - 1)
        ones = np.ones(document.size, np.float32)
        parts.append(sparse.csr_matrix((ones, (document, drawn)), shape=(count, words)))
    return sparse.vstack(parts, format="csr")


def _news(rows: int, seed: int) -> Documents:
    """Return the 300 news texts that ship with gensim, split at random."""
    found = sorted(_PEERS.glob(_LEE))
    if not found:
        raise FileNotFoundError(
            f"{_PEERS} has no gensim, whose texts this task needs: run"
            " `make bench-algorithms`, which installs benchmarks/algorithm_tasks/requirements.txt"
        )
    common = set(_STOP_WORDS.split())
    lines = found[0].read_text("utf-8").splitlines()
    texts = [re.findall(r"[a-z]{3,}", line.lower()) for line in lines]
    spread = Counter(word for text in texts for word in set(text))
    kept = sorted(word for word, n in spread.items() if n >= 3 and word not in common)
    places = {word: place for place, word in enumerate(kept)}
    counts = np.zeros((len(texts), len(kept)), np.float32)
    for row, text in zip(counts, texts, strict=True):
        for word in text:
            if word in places:
                row[places[word]] += 1
    order = np.random.default_rng(seed).permutation(len(texts))
    return Documents(sparse.csr_matrix(counts[order[:rows]]), 20, held_out=counts[order[rows:]])


def _ours(documents: Documents, seed: int) -> Fit:
    from sagebrush.algorithms.lda.model import LDA

    model = LDA(documents.k, seed=seed, threads=THREADS)
    return lambda: model.fit(documents.counts).beta_


def _sklearn(method: str) -> Any:
    def contender(documents: Documents, seed: int) -> Fit:
        from sklearn.decomposition import LatentDirichletAllocation

        model = LatentDirichletAllocation(
            documents.k, learning_method=method, random_state=seed, n_jobs=THREADS
        )

        def fit() -> Any:
            model.fit(documents.counts)
            return model.components_ / model.components_.sum(axis=1, keepdims=True)

        return fit

    return contender


def _gensim(documents: Documents, seed: int) -> Fit:
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaMulticore

    words = documents.counts.shape[1]
    corpus = Sparse2Corpus(documents.counts.T.tocsc())

    def fit() -> Any:
        return LdaMulticore(
            corpus,
            num_topics=documents.k,
            id2word={word: str(word) for word in range(words)},
            workers=THREADS,
            passes=10,
            random_state=seed,
        ).get_topics()

    return fit


def _tomotopy(documents: Documents, seed: int) -> Fit:
    import tomotopy

    counts = documents.counts
    model = tomotopy.LDAModel(k=documents.k, alpha=1.0 / documents.k, seed=seed)
    for first, last in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        often = counts.data[first:last].astype(int)
        model.add_doc([str(word) for word in np.repeat(counts.indices[first:last], often)])

    def fit() -> Any:
        model.train(500, workers=THREADS)
        beta = np.full((documents.k, counts.shape[1]), 1e-9)
        words = [int(word) for word in model.used_vocabs]
        for topic in range(documents.k):
            beta[topic, words] = model.get_topic_word_dist(topic)
        return beta / beta.sum(axis=1, keepdims=True)

    return fit


def _topic_error(beta: Any, documents: Documents) -> float:
    """Return the mean L1 distance (0 to 2) of the true topics to their matches."""
    from scipy.optimize import linear_sum_assignment

    distances = np.abs(documents.topics[:, None] - np.asarray(beta)[None]).sum(axis=2)
    return float(distances[linear_sum_assignment(distances)].mean())


def _held_out_likelihood(beta: Any, documents: Documents) -> float:
    """Return nats per word of one half of each document, its mixture known from the other.

    Mixtures are found in the same way for all contenders, by variational inference.
    """
    from scipy.special import digamma

    beta = np.maximum(np.asarray(beta, float), 1e-12)
    counts = documents.held_out.astype(int)
    known = np.random.default_rng(0).binomial(counts, 0.5)
    asked = counts - known
    prior = 1.0 / documents.k
    expected = np.full((len(counts), documents.k), known.sum(axis=1, keepdims=True) * prior)
    for _ in range(_FOLD_IN_STEPS):
        weights = np.exp(digamma(expected + prior))
        expected = weights * ((known / (weights @ beta)) @ beta.T)
    mixtures = (expected + prior) / (expected + prior).sum(axis=1, keepdims=True)
    return float((asked * np.log(mixtures @ beta)).sum() / asked.sum())


_CONTENDERS = (
    Contender("sagebrush", _ours, ours=True),
    Contender("sklearn batch", _sklearn("batch")),
    Contender("sklearn online", _sklearn("online")),
    Contender("gensim LdaMulticore", _gensim, environment=PEERS),
    Contender("tomotopy (Gibbs)", _tomotopy, environment=PEERS),
)
_ERROR = Quality("topic error (L1)", higher_is_better=False, tolerance=2e-3)

TASKS = (
    Task(
        name="lda",
        summary="20 topics over 2,000 words, documents of 150 words; sizes in non-zeros",
        data=_zipf,
        numbers_per_row=84,
        sizes=(2_000, 8_000, 32_000, 128_000),
        quality_rows=2_000,
        quality=_ERROR,
        score=_topic_error,
        contenders=_CONTENDERS,
        targets=(NoWorse(), Faster(1.0)),
    ),
    Task(
        name="lda-bars-5",
        summary="5 bars of 5 by 5 images, 5,000 documents (Griffiths and Steyvers)",
        data=_bars(5),
        numbers_per_row=17,
        sizes=(5_000,),
        quality_rows=5_000,
        quality=_ERROR,
        score=_topic_error,
        contenders=_CONTENDERS,
    ),
    Task(
        name="lda-bars-10",
        summary="10 bars of 5 by 5 images, 5,000 documents: topics that depend on each other",
        data=_bars(10),
        numbers_per_row=18,
        sizes=(5_000,),
        quality_rows=5_000,
        quality=_ERROR,
        score=_topic_error,
        contenders=_CONTENDERS,
    ),
    Task(
        name="lda-news",
        summary="20 topics of 240 news texts; likelihood of 60 others per word (real data)",
        data=_news,
        numbers_per_row=80,
        sizes=(240,),
        quality_rows=240,
        quality=Quality("held-out nats per word", higher_is_better=True, tolerance=0.01),
        score=_held_out_likelihood,
        contenders=_CONTENDERS,
        real_data=True,
    ),
)
