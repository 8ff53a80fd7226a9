"""Puts a job's input where its hosts will see it: hard links to objects, and the config files.

A link costs nothing whatever the size, and the bytes stay when the object is deleted. The event
loop gets a turn after every few dozen objects.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.engines.objects import ObjectEntry, ObjectNotFound, ObjectStore
from sagebrush.run.spec import Access, Feeder, Mount
from sagebrush.services.sagemaker.jobs.augmented import stage_records
from sagebrush.services.sagemaker.jobs.channels import Channel, Item, gets, items_of
from sagebrush.services.sagemaker.jobs.errors import download_failure
from sagebrush.services.sagemaker.jobs.hosts import Host

# Where the objects of pipes lie below a job's directory.
PIPES = "pipes"
_LINKS_PER_TURN = 64
_NAME_LENGTH = 60


@dataclass
class Staged:
    """What the processes of a job need of its input: mounts by host, and feeders of FIFOs."""

    mounts: dict[str, list[Mount]]
    feeders: list[Feeder] = field(default_factory=list)


class Stager:
    """Stages the channels of one job below its directory."""

    def __init__(
        self, objects: ObjectStore, directory: Path, hosts: Sequence[Host], region: str, role: str
    ) -> None:
        self._objects = objects
        self._directory = directory
        self._hosts = hosts
        self._region = region
        self._role = role
        self._links = 0

    async def stage(self, channels: Sequence[Channel]) -> Staged:
        """Stage every channel.

        Raises:
            JobFailure: input is missing or wrong.
        """
        staged = Staged({host.name: [] for host in self._hosts})
        for channel in channels:
            readers = [h for h in self._hosts if not channel.groups or h.group in channel.groups]
            if channel.kind == "AugmentedManifestFile":
                await self._stage_augmented(channel, readers, staged)
                continue
            items = items_of(self._objects, channel, self._region, self._role)
            if channel.mode == "Pipe":
                await self._stage_pipe(channel, readers, items, staged)
            else:
                await self._stage_files(channel, readers, items, staged)
        return staged

    async def _stage_files(
        self, channel: Channel, readers: Sequence[Host], items: Iterator[Item], staged: Staged
    ) -> None:
        folders = [host.root / "input" / "data" / channel.name for host in readers]
        for folder in folders:
            folder.mkdir(parents=True)
        for number, item in enumerate(items):
            for index, folder in enumerate(folders):
                if gets(channel, number, index, len(folders)):
                    await self._link_below(item.entry, folder, item.path)
        inside = f"/opt/ml/input/data/{channel.name}"
        fast = channel.mode == "FastFile"
        access = Access.READ_ONLY if fast else Access.COPY_ON_WRITE
        for host, folder in zip(readers, folders, strict=True):
            staged.mounts[host.name].append(Mount(str(folder), inside, access))

    async def _stage_pipe(
        self, channel: Channel, readers: Sequence[Host], items: Iterator[Item], staged: Staged
    ) -> None:
        folder = self._directory / PIPES / channel.name
        folder.mkdir(parents=True)
        sources: list[list[str]] = [[] for _ in readers]
        for number, item in enumerate(items):
            # A name that tells the object in an error, and is none of a folder.
            name = item.path.rpartition("/")[2][-_NAME_LENGTH:]
            path = folder / f"{number}-{name}"
            await self._link(item.entry, path)
            for index, own in enumerate(sources):
                if gets(channel, number, index, len(readers)):
                    own.append(str(path))
        for host, own in zip(readers, sources, strict=True):
            staged.feeders.append(
                Feeder(
                    fifo=_fifo(host, channel),
                    sources=tuple(own),
                    gzip=channel.gzip,
                    wrap=channel.wrap,
                    shuffle_seed=channel.shuffle_seed,
                )
            )

    async def _stage_augmented(
        self, channel: Channel, readers: Sequence[Host], staged: Staged
    ) -> None:
        folder = self._directory / PIPES / channel.name
        folder.mkdir(parents=True)
        files = await stage_records(self._objects, channel, folder, len(readers), self._link)
        for host, records in zip(readers, files, strict=True):
            staged.feeders.append(
                Feeder(
                    fifo=_fifo(host, channel),
                    records=str(records),
                    gzip=channel.gzip,
                    wrap=channel.wrap,
                    shuffle_seed=channel.shuffle_seed,
                )
            )

    async def _link_below(self, entry: ObjectEntry, folder: Path, path: str) -> None:
        destination = folder / path
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            await self._link(entry, destination)
        except (FileExistsError, NotADirectoryError):
            raise download_failure(
                f"S3 key: {entry.key} cannot be stored: another object's key is a folder of it"
            ) from None

    async def _link(self, entry: ObjectEntry, destination: Path) -> None:
        try:
            self._objects.link(entry, destination)
        except ObjectNotFound:
            raise download_failure(
                f"NoSuchKey (404): The specified key does not exist. (s3://{entry.bucket}/"
                f"{entry.key})"
            ) from None
        self._links += 1
        if self._links % _LINKS_PER_TURN == 0:
            await asyncio.sleep(0)


def _fifo(host: Host, channel: Channel) -> str:
    folder = host.root / "input" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / channel.name)


def make_layout(host: Host) -> None:
    """Make the folders of /opt/ml that exist before anything runs."""
    for name in ("input/config", "input/data", "model", "output/data", "code"):
        (host.root / name).mkdir(parents=True, exist_ok=True)


def write_config(
    host: Host, hosts: Sequence[Host], channels: Sequence[Channel], request: dict[str, Any]
) -> None:
    """Write the files of /opt/ml/input/config that a training container reads."""
    folder = host.root / "input" / "config"
    documents: dict[str, Any] = {
        "hyperparameters": request.get("HyperParameters", {}),
        "inputdataconfig": {channel.name: _channel_config(channel) for channel in channels},
        "resourceconfig": _resource_config(host, hosts),
    }
    if checkpoints := request.get("CheckpointConfig"):
        documents["checkpointconfig"] = {"LocalPath": "/opt/ml/checkpoints", **checkpoints}
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")


def _channel_config(channel: Channel) -> dict[str, str]:
    config = {
        "TrainingInputMode": channel.mode,
        "S3DistributionType": channel.distribution,
        "RecordWrapperType": "RecordIO" if channel.wrap else "None",
    }
    if channel.content_type is not None:
        config["ContentType"] = channel.content_type
    return config


def _resource_config(host: Host, hosts: Sequence[Host]) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {}
    for other in hosts:
        group = groups.setdefault(
            other.group,
            {
                "instance_group_name": other.group,
                "instance_type": other.instance_type,
                "hosts": [],
            },
        )
        group["hosts"].append(other.name)
    return {
        "current_host": host.name,
        "current_instance_type": host.instance_type,
        "current_group_name": host.group,
        "hosts": [other.name for other in hosts],
        "instance_groups": list(groups.values()),
        "network_interface_name": "lo",
    }
