"""Word2Vec: vectors of words that predict the words around them."""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from sagebrush.algorithms.blazing_text.averaging import SharedMatrix
from sagebrush.algorithms.blazing_text.corpus import BLOCK_BYTES, Corpus, corpus_of_lines
from sagebrush.algorithms.blazing_text.fasttext_file import (
    CBOW,
    NEGATIVE_SAMPLING,
    SKIPGRAM,
    Arguments,
    StoredModel,
    read_model,
    write_model,
)
from sagebrush.algorithms.blazing_text.hogwild import work_through
from sagebrush.algorithms.blazing_text.kernel import (
    Floats,
    Int32s,
    Int64s,
    WordVectorsArguments,
    address,
    kernel,
)
from sagebrush.algorithms.blazing_text.lookup import vectors_of
from sagebrush.algorithms.blazing_text.matrices import fill_uniform, zero_rows
from sagebrush.algorithms.blazing_text.progress import Progress, Say
from sagebrush.algorithms.blazing_text.vocabulary import FeatureRules, Vocabulary
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError

MODES = ("skipgram", "cbow", "batch_skipgram")
NOISE_POWER = 0.75
LEAST_BLOCKS_APART = 8
"""Blocks that each thread of a host trains on at least before the hosts share what they learnt."""
MEETINGS_IN_EPOCH = 8
"""How often hosts share at least, however large the model is, if there is text enough."""
VECTORS_BIN = "vectors.bin"
VECTORS_TXT = "vectors.txt"


class WordVectors:
    """Word vectors trained with negative sampling (Mikolov et al. 2013).

    ``mode`` is ``skipgram``, ``cbow`` or ``batch_skipgram``, where the words of a window share
    their negatives (Ji et al. 2016, https://arxiv.org/abs/1604.04661). ``subwords`` adds fastText's
    hashed character n-grams (Bojanowski et al. 2017), in skipgram and cbow. Parameters are named
    as the hosted algorithm's. One thread gives one model for one seed; several update the model
    without locks and do not. With a ``collective`` each host trains on its share of blocks and the
    hosts' models are brought together now and then; jobs do so in batch_skipgram only.
    """

    def __init__(
        self,
        mode: str = "batch_skipgram",
        *,
        vector_dim: int = 100,
        window_size: int = 5,
        negative_samples: int = 5,
        batch_size: int = 11,
        learning_rate: float = 0.05,
        epochs: int = 5,
        min_count: int = 5,
        sampling_threshold: float = 1e-4,
        subwords: bool = False,
        buckets: int = 2_000_000,
        min_char: int = 3,
        max_char: int = 6,
        seed: int = 0,
        threads: int = 1,
        collective: Collective | None = None,
        say: Say = lambda _: None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}")
        if subwords and mode == "batch_skipgram":
            raise ValueError("subwords are not learnt in mode batch_skipgram")
        self.mode = mode
        self.vector_dim = vector_dim
        self.window_size = window_size
        self.negative_samples = negative_samples
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.min_count = min_count
        self.sampling_threshold = sampling_threshold
        self.subwords = subwords
        self.buckets = buckets if subwords else 0
        self.min_char = min_char if subwords else 0
        self.max_char = max_char if subwords else 0
        self.seed = seed
        self.threads = threads
        self._collective = collective or Collective()
        self._say = say
        self._stop_requested = stop_requested
        self.stored_: StoredModel | None = None
        self._blocks = 0

    def fit(self, sentences: Iterable[str] | Corpus) -> "WordVectors":
        """Learn from sentences, their words separated by spaces, or from a corpus."""
        corpus = sentences if callable(sentences) else corpus_of_lines(sentences)
        vocabulary = self._counted(corpus)
        self._say(f"Number of words:  {vocabulary.words}")
        rules = FeatureRules(vocabulary, self.buckets, self.min_char, self.max_char)
        stored = StoredModel(
            self._arguments(),
            vocabulary,
            zero_rows(vocabulary.words + self.buckets, self.vector_dim, dense=not self.subwords),
            zero_rows(vocabulary.words, self.vector_dim, dense=True),
        )
        self.stored_ = stored
        training = _Training(self, stored, rules)
        training.begin_rows()
        if self._collective.size > 1:
            training.share(self._collective)
        progress = Progress(vocabulary.tokens * self.epochs, self.learning_rate, self._say)
        for epoch in range(self.epochs):
            self._epoch(epoch, corpus, training, progress)
            if self._collective.any(self._stop_requested()):
                break
        progress.say_line()
        self._say("Training finished!")
        progress.say_total()
        return self

    def _blocks_apart(self) -> int:
        """Sending a model takes time in proportion to its size, which training must outweigh."""
        assert self.stored_ is not None
        bytes_sent = self.stored_.input.nbytes + self.stored_.output.nbytes
        wanted = bytes_sent // 4 // BLOCK_BYTES
        most = self._blocks // (self._collective.size * MEETINGS_IN_EPOCH)
        return max(LEAST_BLOCKS_APART * self.threads, min(wanted, most))

    def _counted(self, corpus: Corpus) -> Vocabulary:
        vocabulary = Vocabulary()
        for block in corpus():
            self._blocks += 1
            vocabulary.count(block)
            if self._stop_requested():
                break
        vocabulary.keep(self.min_count)
        if not vocabulary.words:
            raise ClientError(
                f"No word of the train channel appears at least {self.min_count} times "
                "('min_count')."
                if vocabulary.tokens
                else "The train channel is empty."
            )
        return vocabulary

    def _epoch(self, epoch: int, corpus: Corpus, training: "_Training", progress: Progress) -> None:
        """One pass over this host's share of the blocks, shared with the others in between."""
        group = self._collective
        share = islice(corpus(), group.rank, None, group.size)
        piece = 0
        while True:
            blocks = share if group.size == 1 else islice(share, self._blocks_apart())
            before = progress.done
            first = (epoch << 40) + (piece << 20)
            training.pass_over(blocks, progress, first)
            if group.size == 1:
                return
            done = progress.done - before
            progress.add(int(group.sum(np.array(done))) - done)
            training.bring_together()
            piece += 1
            if not group.any(done > 0 and not self._stop_requested()):
                return

    @property
    def words_(self) -> list[str]:
        """The words by falling frequency."""
        return [text.decode(errors="replace") for text in self._model().vocabulary.entries()[0]]

    def predict(self, words: Sequence[str]) -> Floats:
        """The words' vectors, (words, vector_dim) float32.

        Unknown words get zeros, or the mean of their character n-grams if those were learnt.
        """
        return vectors_of(self._model(), [word.encode() for word in words])

    def save(self, folder: Path) -> None:
        """Write vectors.txt in word2vec's text form and vectors.bin in fastText's binary form."""
        stored = self._model()
        write_model(folder / VECTORS_BIN, stored)
        write_text(folder / VECTORS_TXT, stored)

    @classmethod
    def load(cls, folder: Path) -> "WordVectors":
        """The model that was saved in the folder."""
        stored = read_model(folder / VECTORS_BIN)
        settings = stored.arguments
        model = cls("cbow" if settings.model == CBOW else "skipgram", vector_dim=settings.dim)
        model.stored_ = stored
        return model

    def _model(self) -> StoredModel:
        if self.stored_ is None:
            raise ValueError("the model was not trained")
        return self.stored_

    def _arguments(self) -> Arguments:
        return Arguments(
            dim=self.vector_dim,
            ws=self.window_size,
            epoch=self.epochs,
            min_count=self.min_count,
            neg=self.negative_samples,
            word_ngrams=1,
            loss=NEGATIVE_SAMPLING,
            model=CBOW if self.mode == "cbow" else SKIPGRAM,
            bucket=self.buckets,
            minn=self.min_char,
            maxn=self.max_char,
            lr_update_rate=100,
            t=self.sampling_threshold,
        )


def write_text(path: Path, stored: StoredModel) -> None:
    """Write each word and its vector on a line, after a line with their number and dimension."""
    words = stored.vocabulary.entries()[0][: stored.vocabulary.words]
    with path.open("wb") as file:
        file.write(f"{len(words)} {stored.arguments.dim}\n".encode())
        for first in range(0, len(words), 1024):
            some = words[first : first + 1024]
            for word, row in zip(some, vectors_of(stored, some), strict=True):
                numbers = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)
                file.write(b"%b %b\n" % (word, numbers[1:-1].replace(b",", b" ")))


class _Training:
    """What the kernel needs, kept alive while it works."""

    def __init__(self, model: WordVectors, stored: StoredModel, rules: FeatureRules) -> None:
        self._model = model
        self._stored = stored
        self._shared: list[SharedMatrix] = []
        words, counts = stored.vocabulary.entries()
        self._keep = keep_chances(counts, model.sampling_threshold)
        self._noise = noise_table(counts)
        rows: tuple[Int32s | None, Int64s | None] = (None, None)
        if rules.max_char:
            rows = rules.rows_of_words(words)
        self._rows = rows
        self._arguments = WordVectorsArguments(
            address(stored.input),
            address(stored.output),
            address(self._keep),
            address(self._noise),
            address(rows[1]),
            address(rows[0]),
            stored.vocabulary.words,
            stored.input.shape[1],
            MODES.index(model.mode),
            model.window_size,
            model.negative_samples,
            model.batch_size,
        )

    def begin_rows(self) -> None:
        """Fill the rows that are in use with uniform numbers in -1/dim..1/dim."""
        model, stored = self._model, self._stored
        bound, words = 1 / model.vector_dim, stored.vocabulary.words
        fill_uniform(stored.input[:words], model.vector_dim, bound, model.seed)
        if self._rows[0] is not None:
            used = np.unique(self._rows[0])
            used = used[used >= words]
            numbers = np.empty((len(used), model.vector_dim), np.float32)
            fill_uniform(numbers, model.vector_dim, bound, model.seed + 1)
            stored.input[used, : model.vector_dim] = numbers

    def share(self, group: Collective) -> None:
        """Remember the model that all hosts begin with."""
        self._shared = [
            SharedMatrix(matrix, group) for matrix in (self._stored.input, self._stored.output)
        ]

    def pass_over(self, blocks: Iterator[bytes], progress: Progress, first: int) -> None:
        """Train on the blocks; ``first`` tells their random numbers from other blocks'."""
        model = self._model

        def work(index: int, block: bytes) -> None:
            self._train_block(block, progress, first + index)

        work_through(
            blocks,
            work,
            threads=model.threads,
            stop_requested=model._stop_requested,
            tick=progress.tick,
        )

    def _train_block(self, block: bytes, progress: Progress, number: int) -> None:
        ids = np.empty(len(block), np.int32)
        count, tokens = self._stored.vocabulary.encode(block, ids)
        before, after, least = progress.rates(tokens)
        step = (before - after) / max(count, 1)
        seed = ((self._model.seed & 0xFFFF) << 48) ^ (
            number * self._model._collective.size + self._model._collective.rank
        )
        trained = kernel().train_words(
            ctypes.byref(self._arguments), ids, count, before, step, least, seed
        )
        if trained < 0:
            raise MemoryError
        progress.add(tokens)

    def bring_together(self) -> None:
        """Make one model of all hosts'."""
        for matrix in self._shared:
            matrix.bring_together()


def keep_chances(counts: Int64s, threshold: float) -> NDArray[np.uint64]:
    """The chance of each word to be trained on, times 2**63: sqrt(t / f) + t / f."""
    ratio = threshold * counts.sum() / np.maximum(counts, 1)
    chances = np.minimum(np.sqrt(ratio) + ratio, 1.0)
    scaled: NDArray[np.uint64] = (chances * 2.0**63).astype(np.uint64)
    return scaled


def noise_table(counts: Int64s) -> NDArray[np.uint64]:
    """Draws of words in proportion to their count to the power of 3/4."""
    weights = np.maximum(counts, 1).astype(np.float64) ** NOISE_POWER
    table = np.empty(len(counts), np.uint64)
    if kernel().build_noise(weights * (len(counts) / weights.sum()), len(counts), table) < 0:
        raise MemoryError
    return table
