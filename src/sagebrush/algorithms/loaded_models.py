"""The models of a multi-model container: loaded and unloaded on demand, within a memory budget."""

import ctypes
import gc
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from threading import Lock

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.predictor import Predictor

MODELS_ROOT = PurePosixPath("/opt/ml/models")
_SHARE_FOR_MODELS = 0.9
_MIB = 1 << 20

Load = Callable[[Path, Mapping[str, str]], Predictor]


class NoRoomError(Exception):
    """A model does not fit beside those that are loaded."""


class LoadError(Exception):
    """A model cannot be loaded, however much memory there is; the message says why."""


class LoadedModels:
    """Models by name, each with the path it was loaded from.

    ``folder`` is what lies under /opt/ml/models; ``limit_bytes`` is how much memory this process
    may use altogether, ``budget_bytes`` how much the models may; without either there is no limit.
    """

    def __init__(
        self,
        load: Load,
        environment: Mapping[str, str],
        folder: Path,
        log: Log,
        *,
        limit_bytes: int | None = None,
        budget_bytes: int | None = None,
    ) -> None:
        self._load = load
        self._environment = environment
        self._folder = folder
        self._log = log
        self._models: dict[str, tuple[str, Predictor]] = {}
        self._lock = Lock()
        self._base_bytes = resident_bytes()
        if budget_bytes is None and limit_bytes is not None:
            budget_bytes = max(0, int(limit_bytes * _SHARE_FOR_MODELS) - self._base_bytes)
        self._budget_bytes = budget_bytes

    def __contains__(self, name: str) -> bool:
        return name in self._models

    def urls(self) -> dict[str, str]:
        """The paths of the loaded models, by name."""
        return {name: url for name, (url, _) in list(self._models.items())}

    def predictor(self, name: str) -> Predictor | None:
        """The model of that name, if it is loaded."""
        found = self._models.get(name)
        return None if found is None else found[1]

    def load(self, name: str, url: str) -> None:
        """Load a model; any thread may ask, one model is loaded at a time.

        Raises NoRoomError when it does not fit beside the others, LoadError when it never will.
        """
        with self._lock:
            path = self._path(url)
            if not self._fits(_size_bytes(path)):
                raise NoRoomError(name)
            try:
                predictor = self._load(path, self._environment)
            except MemoryError:
                raise NoRoomError(name) from None
            except ClientError as error:
                raise LoadError(str(error)) from error
            except Exception as error:
                self._log.error(f"A model cannot be loaded:\n{traceback.format_exc().rstrip()}")
                raise LoadError(f"{type(error).__name__}: {error}") from error
            # Only now it shows how much memory the model really takes.
            if not self._fits(0):
                del predictor
                release_memory()
                raise NoRoomError(name)
            self._models[name] = url, predictor

    def unload(self, name: str) -> bool:
        """Give a model's memory back; False when it is not loaded."""
        if self._models.pop(name, None) is None:
            return False
        release_memory()
        return True

    def _fits(self, wanted_bytes: int) -> bool:
        """Whether there is room; the first model always gets its chance."""
        if self._budget_bytes is None or not self._models:
            return True
        return resident_bytes() - self._base_bytes + wanted_bytes <= self._budget_bytes

    def _path(self, url: str) -> Path:
        path = PurePosixPath(url)
        if ".." in path.parts or not path.is_relative_to(MODELS_ROOT):
            raise LoadError(f"{url} does not lie below {MODELS_ROOT}")
        found = self._folder / path.relative_to(MODELS_ROOT)
        if not found.is_dir():
            raise LoadError(f"there is no model at {url}")
        return found


def budget_of(environment: Mapping[str, str]) -> int | None:
    """How much memory the environment lets models take; None where it says nothing of it."""
    text = environment.get("SAGEBRUSH_MODEL_MEMORY_MB", "")
    return int(text) * _MIB if text.isdigit() else None


def resident_bytes() -> int:
    """How much memory this process has in use."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def release_memory() -> None:
    """Hand memory that nothing uses back to the machine, as far as the C library can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
