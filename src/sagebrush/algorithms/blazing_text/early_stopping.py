"""Early stopping: the weights of the epoch with the best validation accuracy."""

import numpy as np

from sagebrush.algorithms.blazing_text.fasttext_file import StoredModel
from sagebrush.algorithms.blazing_text.kernel import Floats
from sagebrush.algorithms.blazing_text.matrices import copy_rows, zero_rows
from sagebrush.algorithms.blazing_text.progress import Say


class EarlyStopping:
    """Watches the validation accuracy of a model in training and keeps its best weights."""

    def __init__(self, model: StoredModel, patience: int, min_epochs: int, say: Say) -> None:
        self._model = model
        self._patience = patience
        self._min_epochs = min_epochs
        self._say = say
        self._best = -np.inf
        self._waited = 0
        self._kept: tuple[Floats, Floats] | None = None

    def ends_after(self, epoch: int, accuracy: float) -> bool:
        """Whether training should end after this epoch, the first being 1."""
        self._say(f"Validation accuracy: {accuracy:.6g}")
        if accuracy > self._best:
            self._say("Validation accuracy improved! Storing best weights...")
            self._best, self._waited = accuracy, 0
            self._store()
            return False
        self._waited += 1
        self._say(f"Validation accuracy has not improved for last {self._waited} epochs.")
        if self._waited < self._patience or epoch < self._min_epochs:
            return False
        self._say("Reached patience. Terminating training.")
        return True

    def restore_best(self) -> None:
        """Make the model's weights the best ones, if there were any to choose from."""
        if self._kept is None:
            return
        if self._waited:
            self._say("Best epoch's weights are used.")
            for kept, current in zip(self._kept, self._matrices(), strict=True):
                copy_rows(kept, current)
        self._kept = None

    def _matrices(self) -> tuple[Floats, Floats]:
        return self._model.input, self._model.output

    def _store(self) -> None:
        if self._kept is None:
            dim = self._model.arguments.dim
            first, second = (zero_rows(len(each), dim, dense=False) for each in self._matrices())
            self._kept = first, second
        for kept, current in zip(self._kept, self._matrices(), strict=True):
            copy_rows(current, kept)
