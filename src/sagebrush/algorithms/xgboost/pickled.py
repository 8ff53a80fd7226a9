"""Reads pickled Boosters without running what a pickle may ask for.

Images before 1.3 stored the model with ``pickle.dump``. A pickle can name any function, so only
the few names a Booster's pickle holds are known here and each stands for an inert replacement.
"""

import io
import pickle
from enum import Enum, auto
from typing import Any, NamedTuple

_CONFIG_HEADER = b"CONFIG-offset:"
_OFFSET_BYTES = 8


class PickleLayout(Enum):
    """How a version of xgboost serialised itself into a pickle."""

    MODEL = auto()
    """The binary model alone: before 1.0."""
    MODEL_AND_SETTINGS = auto()
    """A header, the binary model and its settings: 1.0 to 1.5."""
    DOCUMENT = auto()
    """JSON or UBJSON: since then."""


class PickledBooster(NamedTuple):
    """What a pickled Booster held.

    ``model`` is a model file's content, or a UBJSON or JSON document with members ``Model`` and
    ``Config``; ``best_ntree_limit`` is the number of trees per output that predictions use, or 0
    for all. ``layout`` tells the age of the xgboost that wrote it.
    """

    model: bytes
    best_ntree_limit: int
    layout: PickleLayout


class _Booster:
    """Takes the place of xgboost.core.Booster; pickle fills ``__dict__``."""


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


def _new_instance(kind: type[object], base: type[object], state: object) -> object:  # noqa: ARG001
    return object.__new__(kind)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("xgboost.core", "Booster"): _Booster,
    ("builtins", "bytearray"): bytearray,
    ("__builtin__", "bytearray"): bytearray,
    ("builtins", "object"): object,
    ("__builtin__", "object"): object,
    ("copyreg", "_reconstructor"): _new_instance,
    ("copy_reg", "_reconstructor"): _new_instance,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a Booster") from None


def read_pickled_booster(data: bytes) -> PickledBooster:
    """The model inside a pickled Booster.

    ValueError if the data is no pickle, holds anything but a Booster, or refers to any other
    class or function; nothing the pickle names is run.
    """
    try:
        booster = _Unpickler(io.BytesIO(data), encoding="latin-1").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if not isinstance(booster, _Booster):
        raise ValueError(f"the pickle holds a {type(booster).__name__}, not a Booster")
    handle = vars(booster).get("handle")
    if not isinstance(handle, bytes | bytearray):
        raise ValueError("the pickled Booster holds no model")
    limit = vars(booster).get("best_ntree_limit", 0)
    limit = limit if isinstance(limit, int) else 0
    return PickledBooster(_model_part(bytes(handle)), limit, _layout(bytes(handle)))


def _layout(handle: bytes) -> PickleLayout:
    if handle.startswith(_CONFIG_HEADER):
        return PickleLayout.MODEL_AND_SETTINGS
    return PickleLayout.DOCUMENT if handle.startswith(b"{") else PickleLayout.MODEL


def _model_part(handle: bytes) -> bytes:
    """xgboost 1.0 to 1.5 wrote a header, the size of the model, the model and its settings."""
    if not handle.startswith(_CONFIG_HEADER):
        return handle
    start = len(_CONFIG_HEADER) + _OFFSET_BYTES
    size = int.from_bytes(handle[len(_CONFIG_HEADER) : start], "little")
    return handle[start : start + size]
