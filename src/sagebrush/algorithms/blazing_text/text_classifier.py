"""Text classification over the mean of word and n-gram vectors, as fastText does it."""

import ctypes
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.blazing_text.classification import top_labels
from sagebrush.algorithms.blazing_text.corpus import Corpus, corpus_of_lines
from sagebrush.algorithms.blazing_text.early_stopping import EarlyStopping
from sagebrush.algorithms.blazing_text.fasttext_file import (
    SOFTMAX,
    SUPERVISED,
    Arguments,
    StoredModel,
    read_model,
    write_model,
)
from sagebrush.algorithms.blazing_text.hogwild import work_through
from sagebrush.algorithms.blazing_text.kernel import ClassifierArguments, address, kernel
from sagebrush.algorithms.blazing_text.matrices import zero_rows
from sagebrush.algorithms.blazing_text.progress import Progress, Say
from sagebrush.algorithms.blazing_text.vocabulary import LABEL_PREFIX, Vocabulary
from sagebrush.algorithms.errors import ClientError

MODEL_BIN = "model.bin"
_SEED_EPOCH, _SEED_BLOCK = 40, 8

Labels = Sequence[str] | Sequence[Sequence[str]]


class TextClassifier:
    """A linear classifier of texts (Joulin et al. 2016, https://arxiv.org/abs/1607.01759).

    A text is the mean of the vectors of its words and of its hashed ``word_ngrams``; softmax over
    the labels. Parameters are named as the hosted algorithm's. A text with several labels learns
    one of them at a time. With ``early_stopping`` training ends when the accuracy on validation
    data has not risen for ``patience`` epochs, after at least ``min_epochs``; with validation data
    the weights of the best epoch are kept then. One thread gives one model for one seed.
    """

    def __init__(
        self,
        *,
        vector_dim: int = 100,
        word_ngrams: int = 2,
        buckets: int = 2_000_000,
        learning_rate: float = 0.05,
        epochs: int = 5,
        min_count: int = 5,
        early_stopping: bool = False,
        patience: int = 4,
        min_epochs: int = 5,
        seed: int = 0,
        threads: int = 1,
        say: Say = lambda _: None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.vector_dim = vector_dim
        self.word_ngrams = word_ngrams
        self.buckets = buckets if word_ngrams > 1 else 0
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.min_count = min_count
        self.early_stopping = early_stopping
        self.patience = patience
        self.min_epochs = min_epochs
        self.seed = seed
        self.threads = threads
        self._say = say
        self._stop_requested = stop_requested
        self.stored_: StoredModel | None = None
        self.validation_accuracies_: list[float] = []

    def fit(
        self,
        texts: Iterable[str],
        labels: Labels,
        validation: tuple[Iterable[str], Labels] | None = None,
    ) -> "TextClassifier":
        """Learn from texts and the label, or labels, of each; see ``fit_corpus``."""
        return self.fit_corpus(
            labelled_corpus(texts, labels),
            None if validation is None else labelled_corpus(*validation),
        )

    def fit_corpus(self, corpus: Corpus, validation: Corpus | None = None) -> "TextClassifier":
        """Learn from lines that hold labels as words that begin with ``__label__``."""
        vocabulary = self._counted(corpus)
        self._say(f"Number of words:  {vocabulary.words}")
        stored = StoredModel(
            self._arguments(),
            vocabulary,
            zero_rows(vocabulary.words + self.buckets, self.vector_dim, dense=False),
            zero_rows(vocabulary.labels, self.vector_dim, dense=True),
        )
        self.stored_ = stored
        progress = Progress(vocabulary.tokens * self.epochs, self.learning_rate, self._say)
        watch = EarlyStopping(stored, self.patience, self.min_epochs, self._say)
        for epoch in range(self.epochs):
            self._epoch(epoch, corpus, progress)
            if self._stop_requested():
                break
            if validation is not None and self.early_stopping:
                self._say(f"-------------- End of epoch: {epoch + 1}")
                self._say(f"Using {self.threads} threads for prediction!")
                if watch.ends_after(epoch + 1, self._accuracy_of(validation)):
                    break
            progress.say_line()
        watch.restore_best()
        self._say("Training finished.")
        progress.say_total()
        return self

    def _accuracy_of(self, validation: Corpus) -> float:
        judged, correct = self.judge(validation)
        self.validation_accuracies_.append(correct / max(judged, 1))
        return self.validation_accuracies_[-1]

    def _counted(self, corpus: Corpus) -> Vocabulary:
        vocabulary = Vocabulary()
        for block in corpus():
            vocabulary.count(block, line_ends=True)
            if self._stop_requested():
                break
        vocabulary.keep(self.min_count, with_labels=True)
        if not vocabulary.tokens:
            raise ClientError("The train channel is empty.")
        if vocabulary.labels < 2:
            raise ClientError(
                f"The train channel has {vocabulary.labels or 'no'} "
                f"{'label' if vocabulary.labels else 'labels'}, at least 2 are needed: labels are "
                f"words that begin with {LABEL_PREFIX!r}."
            )
        return vocabulary

    def _epoch(self, epoch: int, corpus: Corpus, progress: Progress) -> None:
        assert self.stored_ is not None
        rules, arguments = self.stored_.rules, self._classifier()
        seed = (self.seed & 0xFFFF) << 48

        def work(index: int, block: bytes) -> None:
            for piece, documents in enumerate(rules.read_documents(block)):
                before, after, least = progress.rates(documents.tokens)
                step = (before - after) / max(documents.count, 1)
                number = (epoch << _SEED_EPOCH) + (index << _SEED_BLOCK) + piece
                learned = kernel().train_documents(
                    ctypes.byref(arguments),
                    ctypes.byref(documents.arguments()),
                    before,
                    step,
                    least,
                    seed ^ number,
                )
                if learned < 0:
                    raise MemoryError
                progress.add(documents.tokens)

        self._work_through(corpus, work, progress.tick)

    def judge(self, corpus: Corpus) -> tuple[int, int]:
        """How many labelled lines there are and for how many the best label is one of theirs."""
        rules, arguments = self._model().rules, self._classifier()
        totals: list[tuple[int, int]] = []

        def work(_index: int, block: bytes) -> None:
            for documents in rules.read_documents(block):
                judged, correct = ctypes.c_int64(), ctypes.c_int64()
                failed = kernel().count_correct(
                    ctypes.byref(arguments),
                    ctypes.byref(documents.arguments()),
                    ctypes.byref(judged),
                    ctypes.byref(correct),
                )
                if failed:
                    raise MemoryError
                totals.append((judged.value, correct.value))

        self._work_through(corpus, work, lambda: None)
        judged, correct = np.array([(0, 0), *totals]).sum(axis=0).tolist()
        return int(judged), int(correct)

    def _work_through(
        self, corpus: Corpus, work: Callable[[int, bytes], None], tick: Callable[[], None]
    ) -> None:
        work_through(
            corpus(), work, threads=self.threads, stop_requested=self._stop_requested, tick=tick
        )

    def _classifier(self) -> ClassifierArguments:
        stored = self._model()
        if stored.input.ctypes.data % 64 or stored.input.strides[0] % 64:
            raise ValueError("a loaded model predicts, but is neither trained nor judged")
        return ClassifierArguments(
            address(stored.input),
            address(stored.output),
            len(stored.output),
            stored.input.shape[1],
            stored.arguments.dim,
            (self.seed & 0xFFFF) << 32,
        )

    def predict(self, texts: Sequence[str]) -> NDArray[np.object_]:
        """The most probable label of each text, without its prefix; None if nothing is known."""
        answers = self.top_labels(texts, 1)
        labels = np.empty(len(answers), object)
        labels[:] = [names[0] if names else None for names, _ in answers]
        return labels

    def top_labels(self, texts: Sequence[str], k: int) -> list[tuple[list[str], list[float]]]:
        """The k most probable labels of each text, without their prefix, and probabilities."""
        answers = top_labels(self._model(), texts, [k] * len(texts))
        return [
            ([name.removeprefix(LABEL_PREFIX) for name in names], chances)
            for names, chances in answers
        ]

    def save(self, folder: Path) -> None:
        """Write model.bin in fastText's format."""
        write_model(folder / MODEL_BIN, self._model())

    @classmethod
    def load(cls, folder: Path) -> "TextClassifier":
        """The model that was saved in the folder, or any fastText classifier."""
        stored = read_model(folder / MODEL_BIN)
        if stored.arguments.model != SUPERVISED:
            raise ValueError("the model is no classifier")
        model = cls(vector_dim=stored.arguments.dim, word_ngrams=stored.arguments.word_ngrams)
        model.stored_ = stored
        return model

    def _model(self) -> StoredModel:
        if self.stored_ is None:
            raise ValueError("the model was not trained")
        return self.stored_

    def _arguments(self) -> Arguments:
        return Arguments(
            dim=self.vector_dim,
            ws=5,
            epoch=self.epochs,
            min_count=self.min_count,
            neg=5,
            word_ngrams=self.word_ngrams,
            loss=SOFTMAX,
            model=SUPERVISED,
            bucket=self.buckets,
            minn=0,
            maxn=0,
            lr_update_rate=100,
            t=1e-4,
        )


def labelled_corpus(texts: Iterable[str], labels: Labels) -> Corpus:
    """Lines that begin with the labels, white space in them made ``_``."""
    lines = []
    for text, each in zip(texts, labels, strict=True):
        names = [each] if isinstance(each, str) else each
        words = [LABEL_PREFIX + "_".join(str(name).split()) for name in names]
        lines.append(" ".join([*words, text]))
    return corpus_of_lines(lines)
