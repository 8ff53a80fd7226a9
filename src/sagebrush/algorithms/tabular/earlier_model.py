"""The model of an earlier job, given to go on from in the channel ``model``."""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sagebrush.algorithms.channels import ChannelReader
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError

CHANNEL = "model"


@contextmanager
def earlier_model(context: TrainingContext, file_names: tuple[str, ...]) -> Iterator[Path | None]:
    """The folder with the files of an earlier model while the block runs; None if there is none.

    An archive without a file of these names is what the model ids' own training artefact is: there
    is nothing to go on from. ClientError for a file that is no archive.
    """
    if CHANNEL not in context.channels:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        for stream in ChannelReader(context.channels[CHANNEL]).streams():
            assert stream.path is not None
            _unpack(stream.path, stream.name, Path(folder))
        found = [path for name in file_names for path in sorted(Path(folder).rglob(name))]
        yield found[0].parent if found else None


def _unpack(path: Path, name: str, folder: Path) -> None:
    try:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise ClientError(f"{name} is no archive of a model: {error}.") from error
