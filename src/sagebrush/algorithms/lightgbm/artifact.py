"""LightGBM's model folder: ``model.pkl`` for joblib, ``model.txt`` for any LightGBM, our notes.

AWS's script leaves a Booster dumped by joblib, which is read here without running what a pickle
may ask for.
"""

import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lightgbm.model_text import checked
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION, REGRESSION, ProblemType

PICKLE_NAME = "model.pkl"
TEXT_NAME = "model.txt"
NOTES_NAME = "model_notes.json"


@dataclass(frozen=True)
class StoredModel:
    """A booster and what it does not know itself.

    ``labels`` are the classes' labels in order, empty for regression; ``words`` the categories of
    the columns, by feature index, that are not whole numbers.
    """

    booster: Any
    problem_type: ProblemType
    labels: tuple[int, ...] = ()
    categorical: tuple[int, ...] = ()
    words: dict[int, Sequence[str]] = field(default_factory=dict)


def save(model: StoredModel, folder: Path) -> None:
    """Write the model's three files into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / PICKLE_NAME).open("wb") as stream:
        pickle.dump(model.booster, stream)
    model.booster.save_model(folder / TEXT_NAME)
    notes = {
        "problem_type": model.problem_type,
        "labels": list(model.labels),
        "categorical": list(model.categorical),
        "words": {str(index): list(words) for index, words in model.words.items()},
    }
    (folder / NOTES_NAME).write_text(json.dumps(notes), encoding="utf-8")


def load(folder: Path) -> StoredModel:
    """The model of a folder, ours or one of AWS's; ClientError if there is none to read."""
    booster = _booster(_model_text(folder))
    notes = folder / NOTES_NAME
    if not notes.exists():
        return _without_notes(booster)
    try:
        return _with_notes(booster, json.loads(notes.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClientError(f"{NOTES_NAME} has no notes on a model: {error!r}") from error


def _booster(text: str) -> Any:
    import lightgbm

    try:
        return lightgbm.Booster(model_str=checked(text))
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        raise ClientError(f"The model cannot be read: {error}") from error


def _with_notes(booster: Any, notes: dict[str, Any]) -> StoredModel:
    problem_type, labels = notes["problem_type"], tuple(map(int, notes["labels"]))
    outputs = booster.num_model_per_iteration()
    expected = {0} if problem_type == REGRESSION else {max(2, outputs)}
    if problem_type not in {CLASSIFICATION, REGRESSION} or len(labels) not in expected:
        raise ValueError(f"{len(labels)} labels do not fit a {problem_type} model of {outputs}")
    categorical = tuple(map(int, notes["categorical"]))
    words: dict[int, Sequence[str]] = {
        int(index): list(words) for index, words in notes["words"].items()
    }
    return StoredModel(booster, problem_type, labels, categorical, words)


def _model_text(folder: Path) -> str:
    if (folder / TEXT_NAME).exists():
        try:
            return (folder / TEXT_NAME).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ClientError(f"{TEXT_NAME} is no LightGBM model: {error}") from error
    pickles = sorted([*folder.glob("*.pkl"), *folder.glob("*.joblib")])
    if not pickles:
        raise ClientError(f"There is no model file {PICKLE_NAME} or {TEXT_NAME} in the model.")
    return _pickled_text(pickles[0])


def _without_notes(booster: Any) -> StoredModel:
    objective = booster.dump_model(num_iteration=1)["objective"].split()[0]
    if objective not in {"binary", "multiclass", "multiclassova", "cross_entropy"}:
        return StoredModel(booster, REGRESSION)
    classes = max(2, booster.num_model_per_iteration())
    return StoredModel(booster, CLASSIFICATION, tuple(range(classes)))


class _Booster:
    """Takes the place of lightgbm.basic.Booster; pickle fills ``__dict__``."""


class _Inert:
    """Takes the place of whatever else a Booster holds: dictionaries of scores, numbers."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


_ALLOWED: dict[tuple[str, str], type] = {
    ("lightgbm.basic", "Booster"): _Booster,
    ("collections", "defaultdict"): _Inert,
    ("collections", "OrderedDict"): _Inert,
    ("numpy", "dtype"): _Inert,
    ("numpy.core.multiarray", "scalar"): _Inert,
    ("numpy._core.multiarray", "scalar"): _Inert,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a Booster") from None


def _pickled_text(path: Path) -> str:
    """The model text of a pickled Booster up to its best round."""
    try:
        with path.open("rb") as stream:
            held = vars(_Unpickler(stream).load())
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise ClientError(f"{path.name} is no LightGBM model: {error}") from error
    text = held.get("_handle", held.get("handle"))
    if not isinstance(text, str):
        raise ClientError(f"{path.name} is no LightGBM model.")
    booster = _booster(text)
    booster.best_iteration = int(held.get("best_iteration", 0))
    return str(booster.model_to_string())
