"""Input channels as the platform delivers them: folders of files, or a pipe for each epoch."""

import gzip
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sagebrush.algorithms.errors import ClientError

PIPE_POLL_S = 0.02

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One entry of inputdataconfig.json.

    ``path`` is the channel's folder; in Pipe mode epoch n comes through the FIFO ``<path>_<n>``.
    ``content_type`` is as the user gave it, parameters included, or None.
    """

    name: str
    path: Path
    content_type: str | None = None
    mode: str = "File"
    distribution: str = "FullyReplicated"
    record_wrapper: str = "None"


@dataclass(frozen=True, slots=True)
class DataStream:
    """One readable piece of a channel: a file, or all that a pipe sends in one epoch.

    ``name`` is how errors call it; ``path`` is set for plain files, which may then be mapped.
    """

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]
    path: Path | None = None


@dataclass
class ChannelReader:
    """Passes over a channel's data; each pass of a pipe takes the FIFO of the next epoch."""

    config: ChannelConfig
    stop_requested: Callable[[], bool] = lambda: False
    _epoch: int = field(default=0, init=False)

    @property
    def is_pipe(self) -> bool:
        """Whether the data can only be read once, in order, for each epoch."""
        return self.config.mode == "Pipe"

    def files(self) -> list[Path]:
        """The data files of a File or FastFile channel in key order, marker files left out.

        Names that start with ``.`` or ``_`` are no data, at any depth. ClientError if there are
        none.
        """
        root = self.config.path
        if root.is_file():
            return [root]
        found = [Path(folder, name) for folder, _, names in _visible(root) for name in names]
        if not found:
            raise ClientError(f"No data was found in the {self.config.name!r} channel.")
        return sorted(found)

    def streams(self) -> Iterator[DataStream]:
        """One pass over the channel: each file in turn, or the pipe of the next epoch."""
        if self.is_pipe:
            path = self.config.path.with_name(f"{self.config.path.name}_{self._epoch}")
            self._epoch += 1
            yield DataStream(path.name, partial(self._open_pipe, path))
            return
        root = self.config.path
        for path in self.files():
            name = f"{self.config.name}/{path.relative_to(root)}" if path != root else path.name
            yield DataStream(name, partial(_open_file, path, name), path)

    def _open_pipe(self, path: Path) -> BinaryIO:
        """The platform makes the FIFO of an epoch only when it is ready to feed it."""
        while not path.exists():
            if self.stop_requested():
                raise InterruptedError(f"stopped while waiting for {path.name}")
            time.sleep(PIPE_POLL_S)
        return path.open("rb", buffering=1 << 20)


@contextmanager
def _open_file(path: Path, name: str) -> Iterator[BinaryIO]:
    """A data file, inflated if it is compressed; ClientError if it is cut off or damaged then."""
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        if not compressed:
            yield file
            return
        try:
            with gzip.open(file) as inflated:
                yield inflated  # type: ignore[misc]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ClientError(f"Unable to inflate {name}: {error}.") from error


def _visible(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield folder, folders, [name for name in names if not name.startswith((".", "_"))]
