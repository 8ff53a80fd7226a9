"""The configuration files of a training container, checked against the algorithm's card."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sagebrush.algorithms.card import Card, Channel
from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameters import Wording

_CONTAINER_ROOT = PurePosixPath("/opt/ml")


@dataclass(frozen=True)
class ContainerConfig:
    """What input/config says: hyperparameters, channels, hosts and checkpoints."""

    hyperparameters: Mapping[str, str]
    channels: Mapping[str, ChannelConfig]
    hosts: list[str]
    current_host: str
    checkpoint_dir: Path | None


def read_config(root: Path) -> ContainerConfig:
    """The configuration under ``root/input/config``; a file that is not there says nothing.

    ClientError names the file that is no JSON object.
    """
    folder = root / "input" / "config"
    resources = _read(folder / "resourceconfig.json")
    hosts = [str(host) for host in resources.get("hosts", ["algo-1"])]
    checkpoint = _read(folder / "checkpointconfig.json").get("LocalPath")
    return ContainerConfig(
        hyperparameters={
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in _read(folder / "hyperparameters.json").items()
        },
        channels={
            name: _channel(name, entry, root / "input" / "data" / name)
            for name, entry in _read(folder / "inputdataconfig.json").items()
        },
        hosts=hosts,
        current_host=str(resources.get("current_host", hosts[0])),
        checkpoint_dir=None if checkpoint is None else _under_root(str(checkpoint), root),
    )


def check_channels(card: Card, wording: Wording, config: ContainerConfig) -> None:
    """ClientError unless the job's channels are ones the algorithm has and can read."""
    for name in config.channels:
        if card.channel(name) is None:
            raise ClientError(wording.unknown_channel(name))
    for channel in card.channels:
        given = [
            config.channels[name]
            for name in (channel.name, *channel.aliases)
            if name in config.channels
        ]
        for each in given:
            _check_channel(channel, each, wording)
        if len(given) > 1:
            names = " and ".join(repr(each.name) for each in given)
            raise ClientError(f"The channels {names} are the same one; give only one of them.")
        if channel.required and not given:
            raise ClientError(wording.missing_channel(channel.name))
    if len(config.hosts) > 1 and not card.distributed:
        raise ClientError(wording.not_distributed(len(config.hosts)))


def _check_channel(channel: Channel, given: ChannelConfig, wording: Wording) -> None:
    checks = [
        ("TrainingInputMode", given.mode, channel.modes),
        ("S3DistributionType", given.distribution, channel.distributions),
    ]
    if given.content_type and channel.content_types:
        name = given.content_type.partition(";")[0].strip().lower()
        checks.append(("ContentType", name, channel.content_types))
    for setting, value, allowed in checks:
        if value not in allowed:
            raise ClientError(wording.invalid_channel(channel.name, setting, value, allowed))


def _channel(name: str, entry: Any, path: Path) -> ChannelConfig:
    settings = entry if isinstance(entry, dict) else {}
    return ChannelConfig(
        name=name,
        path=path,
        content_type=settings.get("ContentType") or None,
        mode=settings.get("TrainingInputMode") or "File",
        distribution=settings.get("S3DistributionType") or "FullyReplicated",
        record_wrapper=settings.get("RecordWrapperType") or "None",
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise ClientError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ClientError(f"{path.name} must hold a JSON object")
    return document


def _under_root(container_path: str, root: Path) -> Path:
    """A path of the container's own tree as it lies under this root."""
    path = PurePosixPath(container_path)
    if path.is_relative_to(_CONTAINER_ROOT):
        return root / path.relative_to(_CONTAINER_ROOT)
    return Path(path)
