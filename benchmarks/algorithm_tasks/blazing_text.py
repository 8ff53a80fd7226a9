"""BlazingText beside gensim and fastText: planted analogies, planted topics, and scipy's manual.

Everyone reads the same file, one sentence per line, and has the same settings.
"""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

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

ENTITIES, ROLES = 200, 8
ENTITY_WORDS, ROLE_WORDS = 8, 20
TOLD = 0.7
FILLER_WORDS = 30_000
SENTENCE_WORDS = 12
EPOCHS = 5
WINDOW, NEGATIVES, DIM, MIN_COUNT, SAMPLING = 5, 5, 100, 5, 1e-4
LABELS = 20
CLASSIFIER = {"lr": 0.5, "epoch": 5, "minCount": 2, "wordNgrams": 2, "dim": 50, "bucket": 200_000}

_ANALOGIES = Quality("analogies right", higher_is_better=True)
_ACCURACY = Quality("accuracy", higher_is_better=True)


@dataclass
class Text:
    """A file of sentences; texts and labels held out, if there are labels."""

    folder: tempfile.TemporaryDirectory[str]
    held_out: list[tuple[str, str]]

    @property
    def path(self) -> Path:
        """The file to train on."""
        return Path(self.folder.name, "train.txt")


def _written(lines: Iterator[str] | list[str], held_out: list[tuple[str, str]]) -> Text:
    text = Text(tempfile.TemporaryDirectory(), held_out)
    with text.path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    return text


def _zipf(random: np.random.Generator, words: int, shape: tuple[int, ...]) -> Any:
    chances = 1 / np.arange(1, words + 1)
    edges = np.cumsum(chances / chances.sum())
    return np.minimum(np.searchsorted(edges, random.random(shape)), words - 1)


def _analogies(rows: int, seed: int) -> Text:
    """Return sentences about entities in roles, as the capital, river, king of each country.

    A sentence has the one word for this entity in this role, two words of an entity's, two of a
    role's, which are the right ones more often than others, and seven fillers; so entity and role
    are the word's hidden parts.
    """
    random = np.random.default_rng([11, seed])

    def lines() -> Iterator[str]:
        for first in range(0, rows, 50_000):
            count = min(50_000, rows - first)
            entity = random.integers(0, ENTITIES, (count, 1))
            role = random.integers(0, ROLES, (count, 1))
            base = ENTITIES * ROLES
            shape = (count, 2)
            told = np.where(
                random.random(shape) < TOLD, entity, random.integers(0, ENTITIES, shape)
            )
            own = base + told * ENTITY_WORDS + random.integers(0, ENTITY_WORDS, shape)
            base += ENTITIES * ENTITY_WORDS
            told = np.where(random.random(shape) < TOLD, role, random.integers(0, ROLES, shape))
            shared = base + told * ROLE_WORDS + random.integers(0, ROLE_WORDS, shape)
            base += ROLES * ROLE_WORDS
            filler = base + _zipf(random, FILLER_WORDS, (count, 7))
            ids = np.concatenate([entity * ROLES + role, own, shared, filler], axis=1)
            for sentence in random.permuted(ids, axis=1).tolist():
                yield " ".join([f"word{word}" for word in sentence])

    return _written(lines(), [])


def _analogies_right(vectors: Callable[[list[str]], Any], _text: Text) -> float:
    """Return the share of a : b as c : d, among all planted words, whose d is the nearest."""
    words = [f"word{each}" for each in range(ENTITIES * ROLES)]
    rows = np.asarray(vectors(words), np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    random = np.random.default_rng(0)
    right = 0
    questions = 2000
    for _ in range(questions):
        first, second = random.choice(ENTITIES, 2, replace=False)
        one, other = random.choice(ROLES, 2, replace=False)
        a, b, c, d = (e * ROLES + r for e in (first, second) for r in (one, other))
        scores = rows @ (rows[b] - rows[a] + rows[c])
        scores[[a, b, c]] = -np.inf
        right += int(scores.argmax() == d)
    return right / questions


def _our_vectors(mode: str, subwords: bool, text: Text, seed: int) -> Fit:
    from sagebrush.algorithms.blazing_text.corpus import corpus_of_file
    from sagebrush.algorithms.blazing_text.word_vectors import WordVectors

    model = WordVectors(
        mode,
        vector_dim=DIM,
        window_size=WINDOW,
        negative_samples=NEGATIVES,
        epochs=EPOCHS,
        min_count=MIN_COUNT,
        sampling_threshold=SAMPLING,
        subwords=subwords,
        buckets=200_000,
        seed=seed,
        threads=THREADS,
    )
    return lambda: model.fit(corpus_of_file(text.path)).predict


def _gensim(sg: int, text: Text, seed: int) -> Fit:
    from gensim.models import Word2Vec

    def fit() -> Callable[[list[str]], Any]:
        model = Word2Vec(
            corpus_file=str(text.path),
            sg=sg,
            vector_size=DIM,
            window=WINDOW,
            negative=NEGATIVES,
            alpha=0.05,
            epochs=EPOCHS,
            min_count=MIN_COUNT,
            sample=SAMPLING,
            workers=THREADS,
            seed=seed + 1,
        )
        return lambda words: model.wv[words]

    return fit


def _fasttext_vectors(mode: str, subwords: bool, text: Text, _seed: int) -> Fit:
    import fasttext

    def fit() -> Callable[[list[str]], Any]:
        model = fasttext.train_unsupervised(
            str(text.path),
            model=mode,
            dim=DIM,
            ws=WINDOW,
            neg=NEGATIVES,
            lr=0.05,
            epoch=EPOCHS,
            minCount=MIN_COUNT,
            t=SAMPLING,
            thread=THREADS,
            minn=3 if subwords else 0,
            maxn=6 if subwords else 0,
            bucket=200_000,
            verbose=0,
        )
        return lambda words: np.array([model.get_word_vector(word) for word in words])

    return fit


def _topics(rows: int, seed: int) -> Text:
    """Return documents of a topic each; some of its words come only in the topic's order.

    40 words: fillers, a few words that the topic prefers, and pairs of words that all topics share
    but each one orders in its own way, which only bigrams tell.
    """
    random = np.random.default_rng([12, seed])
    held_out = 10_000

    def documents(count: int) -> Iterator[tuple[str, str]]:
        for first in range(0, count, 20_000):
            some = min(20_000, count - first)
            label = random.integers(0, LABELS, (some, 1))
            filler = _zipf(random, FILLER_WORDS, (some, 34))
            preferred = random.integers(0, 100, (some, 2)) * LABELS
            preferred = preferred + np.where(
                random.random((some, 2)) < 0.3, label, random.integers(0, LABELS, (some, 2))
            )
            pair = random.integers(0, 30, (some, 2))
            follower = np.where(
                random.random((some, 2)) < 0.6, pair + label, random.integers(0, 30, (some, 2))
            )
            follower %= 30
            parts = (filler.tolist(), preferred.tolist(), pair.tolist(), follower.tolist())
            for name, fill, prefer, left, right in zip(label[:, 0], *parts, strict=True):
                words = [f"f{word}" for word in fill] + [f"p{word}" for word in prefer]
                words[5:5] = [f"l{left[0]}", f"r{right[0]}"]
                words[20:20] = [f"l{left[1]}", f"r{right[1]}"]
                yield str(name), " ".join(words)

    judged = list(documents(held_out))
    return _written((f"__label__{name} {text}" for name, text in documents(rows)), judged)


def _manual(rows: int, seed: int) -> Text:
    """Return paragraphs of scipy's docstrings, labelled by subpackage; the seed draws the split."""
    import scipy

    root = Path(scipy.__file__).parent
    found: list[tuple[str, str]] = []
    for path in sorted(root.glob("*/*.py")):
        name = path.parent.name
        if name.startswith("_"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                for paragraph in (ast.get_docstring(node) or "").split("\n\n"):
                    words = re.findall(r"[a-z]+|[^\sa-z]", paragraph.lower())
                    if len(words) >= 8:
                        found.append((name, " ".join(words)))
    order = np.random.default_rng(seed).permutation(len(found)).tolist()
    train = [found[place] for place in order[:rows]]
    return _written(
        [f"__label__{name} {text}" for name, text in train],
        [found[place] for place in order[rows:]],
    )


def _our_classifier(text: Text, seed: int) -> Fit:
    from sagebrush.algorithms.blazing_text.corpus import corpus_of_file
    from sagebrush.algorithms.blazing_text.text_classifier import TextClassifier

    model = TextClassifier(
        vector_dim=int(CLASSIFIER["dim"]),
        word_ngrams=int(CLASSIFIER["wordNgrams"]),
        buckets=int(CLASSIFIER["bucket"]),
        learning_rate=CLASSIFIER["lr"],
        epochs=int(CLASSIFIER["epoch"]),
        min_count=int(CLASSIFIER["minCount"]),
        seed=seed,
        threads=THREADS,
    )
    return lambda: model.fit_corpus(corpus_of_file(text.path)).predict


def _fasttext_classifier(text: Text, _seed: int) -> Fit:
    import fasttext

    def fit() -> Callable[[list[str]], list[str]]:
        model = fasttext.train_supervised(
            str(text.path), thread=THREADS, verbose=0, loss="softmax", **CLASSIFIER
        )

        def predict(texts: list[str]) -> list[str]:
            # `model.predict` itself fails with numpy 2.
            found = [model.f.predict(each + "\n", 1, 0.0, "strict") for each in texts]
            return [each[0][1].removeprefix("__label__") for each in found]

        return predict

    return fit


def _accuracy(predict: Callable[[list[str]], Any], text: Text) -> float:
    found = predict([words for _, words in text.held_out])
    names = [name for name, _ in text.held_out]
    return float(np.mean([one == other for one, other in zip(found, names, strict=True)]))


_SIZES = (30_000, 100_000, 300_000, 850_000)


def _vectors_task(
    name: str,
    summary: str,
    contenders: tuple[Contender, ...],
    target: Faster,
    quality_rows: int = 100_000,
) -> Task:
    return Task(
        name=f"blazing_text-{name}",
        summary=summary,
        data=_analogies,
        numbers_per_row=SENTENCE_WORDS,
        sizes=_SIZES,
        quality_rows=quality_rows,
        quality=_ANALOGIES,
        score=_analogies_right,
        contenders=contenders,
        targets=(NoWorse(), target),
        limit_s=400.0,
    )


_GENSIM_SKIPGRAM = Contender("gensim skip-gram", partial(_gensim, 1), environment=PEERS)
_FASTTEXT_SKIPGRAM = Contender(
    "fastText skip-gram",
    partial(_fasttext_vectors, "skipgram", False),
    environment=PEERS,
    max_rows=100_000,
)

TASKS = (
    _vectors_task(
        "batch_skipgram",
        "100 dimensions, 5 negatives shared by each window of 5; 2000 planted analogies",
        (
            Contender("sagebrush", partial(_our_vectors, "batch_skipgram", False), ours=True),
            _GENSIM_SKIPGRAM,
            _FASTTEXT_SKIPGRAM,
        ),
        Faster(2.0, than="gensim skip-gram"),
    ),
    _vectors_task(
        "skipgram",
        "100 dimensions, 5 negatives for each pair of words; 2000 planted analogies",
        (
            Contender("sagebrush", partial(_our_vectors, "skipgram", False), ours=True),
            _GENSIM_SKIPGRAM,
            _FASTTEXT_SKIPGRAM,
        ),
        Faster(),
    ),
    _vectors_task(
        "cbow",
        "100 dimensions, 5 negatives for each word; 2000 planted analogies",
        (
            Contender("sagebrush", partial(_our_vectors, "cbow", False), ours=True),
            Contender("gensim CBOW", partial(_gensim, 0), environment=PEERS),
            Contender(
                "fastText CBOW", partial(_fasttext_vectors, "cbow", False), environment=PEERS
            ),
        ),
        Faster(),
        quality_rows=300_000,
    ),
    _vectors_task(
        "subwords",
        "skip-gram with character n-grams of 3 to 6; 2000 planted analogies",
        (
            Contender("sagebrush", partial(_our_vectors, "skipgram", True), ours=True),
            Contender(
                "fastText skip-gram",
                partial(_fasttext_vectors, "skipgram", True),
                environment=PEERS,
            ),
        ),
        Faster(),
        quality_rows=30_000,
    ),
    Task(
        name="blazing_text-supervised",
        summary="20 topics in documents of 40 words, told by words and by bigrams",
        data=_topics,
        numbers_per_row=40,
        sizes=(10_000, 30_000, 90_000, 260_000),
        quality_rows=30_000,
        quality=_ACCURACY,
        score=_accuracy,
        contenders=(
            Contender("sagebrush", _our_classifier, ours=True),
            Contender("fastText", _fasttext_classifier, environment=PEERS),
        ),
        limit_s=300.0,
    ),
    Task(
        name="blazing_text-manual",
        summary="paragraphs of scipy's docstrings, to be told by subpackage",
        data=_manual,
        numbers_per_row=60,
        sizes=(8_000,),
        quality_rows=8_000,
        quality=_ACCURACY,
        score=_accuracy,
        contenders=(
            Contender("sagebrush", _our_classifier, ours=True),
            Contender("fastText", _fasttext_classifier, environment=PEERS),
        ),
        real_data=True,
    ),
)
