"""What the platform must know about an algorithm without importing any of its code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

FILE_MODES = ("File", "FastFile")
ALL_MODES = ("File", "Pipe", "FastFile")


@dataclass(frozen=True, slots=True)
class Channel:
    """An input channel: its name, the content types it reads and how it may be delivered.

    ``aliases`` are other names under which a job may give it.
    """

    name: str
    required: bool = False
    content_types: tuple[str, ...] = ()
    modes: tuple[str, ...] = ALL_MODES
    distributions: tuple[str, ...] = ("FullyReplicated", "ShardedByS3Key")
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric read from the job's log: name such as ``validation:rmse`` and its regex."""

    name: str
    regex: str
    direction: Literal["Minimize", "Maximize"]


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python environment: its name and the requirements that make it; ``base`` needs none."""

    name: str
    requirements: tuple[str, ...] = ()


BASE_ENVIRONMENT = Environment("base")


SCRIPT_FOLDER = "source-directory-tarballs"


@dataclass(frozen=True, slots=True)
class ModelId:
    """A JumpStart model id under which an algorithm is found, such as ``x-regression-model``.

    ``problem_type`` is what it learns; ``defaults`` are those of its hyperparameters that differ
    from the algorithm's; ``dataset`` names the sample data it trains on.
    """

    name: str
    problem_type: str
    defaults: Mapping[str, str]
    dataset: str


def first_party_environment(tag: str) -> Environment:
    """The base environment for the tags ``1`` and ``latest``; LookupError for any other."""
    if tag not in {"1", "latest"}:
        raise LookupError(f"no image has the tag {tag!r}")
    return BASE_ENVIRONMENT


def load_attribute(reference: str) -> Any:
    """The object that a dotted ``package.module:ATTRIBUTE`` names, importing its module."""
    module_name, _, attribute = reference.partition(":")
    return getattr(import_module(module_name), attribute)


@dataclass(frozen=True, slots=True)
class Card:
    """One algorithm: names, channels, metrics, content types and where its code lies.

    ``hyperparameters``, ``train`` and ``load`` are dotted references ``package.module:attribute``
    to a Schema, a ``train(context, parameters)`` and a ``load(model_dir, environment)``, so that
    a card costs nothing to import. ``default_content_type`` is what a channel without a
    ContentType holds; ``environments`` are those that some tag needs besides the base one;
    ``default_accept`` answers a request without an Accept header.
    ``prints_configuration`` says that the job's log begins with its merged hyperparameters, as the
    first-party images' does. ``model_ids`` are the JumpStart models whose scripts, below
    ``script_folder`` in the JumpStart bucket, do what the image does anyway.
    """

    name: str
    title: str
    summary: str
    repositories: tuple[str, ...]
    channels: tuple[Channel, ...]
    metrics: tuple[Metric, ...]
    content_types: tuple[str, ...]
    accepts: tuple[str, ...]
    hyperparameters: str
    train: str
    load: str
    environment_of: Callable[[str], Environment] = first_party_environment
    environments: tuple[Environment, ...] = ()
    distributed: bool = False
    default_content_type: str = "application/x-recordio-protobuf"
    default_accept: str = "application/json"
    prints_configuration: bool = True
    model_ids: tuple[ModelId, ...] = ()

    @property
    def script_folder(self) -> str:
        """Where the scripts of the model ids lie, with a slash at the end."""
        return f"{SCRIPT_FOLDER}/{self.name}/"

    def channel(self, name: str) -> Channel | None:
        """The declared channel of that name or alias, or None."""
        return next(
            (channel for channel in self.channels if name in (channel.name, *channel.aliases)), None
        )
