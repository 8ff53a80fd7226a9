"""Which objects a channel consists of, where they lie in its folder, which host gets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sagebrush.engines.objects import (
    BucketNotFound,
    InvalidLocation,
    ObjectEntry,
    ObjectNotFound,
    ObjectStore,
    parse_s3_uri,
)
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.jobs.errors import JobFailure, download_failure

_MISSING = "NoSuchKey (404): The specified key does not exist."


@dataclass(frozen=True)
class Channel:
    """One entry of InputDataConfig with its defaults filled in."""

    name: str
    mode: str
    kind: str
    uri: str
    distribution: str
    content_type: str | None
    gzip: bool
    wrap: bool
    shuffle_seed: int | None
    attributes: tuple[str, ...]
    groups: frozenset[str]


@dataclass(frozen=True)
class Item:
    """An object of a channel and its path below the channel's folder."""

    entry: ObjectEntry
    path: str


def channels_of(request: dict[str, Any]) -> list[Channel]:
    """Return the channels of a CreateTrainingJob request."""
    default_mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    channels = []
    for given in request.get("InputDataConfig", ()):
        source = given["DataSource"]["S3DataSource"]
        channels.append(
            Channel(
                name=given["ChannelName"],
                mode=given.get("InputMode") or default_mode,
                kind=source["S3DataType"],
                uri=source["S3Uri"],
                distribution=source.get("S3DataDistributionType", "FullyReplicated"),
                content_type=given.get("ContentType"),
                gzip=given.get("CompressionType") == "Gzip",
                wrap=given.get("RecordWrapperType") == "RecordIO",
                shuffle_seed=given.get("ShuffleConfig", {}).get("Seed"),
                attributes=tuple(source.get("AttributeNames", ())),
                groups=frozenset(source.get("InstanceGroupNames", ())),
            )
        )
    return channels


def items_of(objects: ObjectStore, channel: Channel, region: str, role: str) -> Iterator[Item]:
    """Yield the objects of an S3Prefix or ManifestFile channel, in key or manifest order.

    Raises:
        JobFailure: there are none, or the manifest is wrong.
    """
    if channel.kind == "ManifestFile":
        yield from _manifest_items(objects, channel)
        return
    bucket, prefix = location(channel.uri)
    found = False
    try:
        for entry in objects.list(bucket, prefix):
            found = True
            # A marker that consoles leave to show an empty folder is no data.
            if not entry.key.endswith("/"):
                yield Item(entry, _safe(path_below(prefix, entry.key), entry.key))
    except BucketNotFound:
        found = False
    if not found:
        reason = faults.no_data_message(channel.uri, region, role, bucket)
        raise download_failure(reason)


def path_below(prefix: str, key: str) -> str:
    """Return where an object lies in a channel's folder.

    The prefix is taken as a folder where it is one, as the object itself where it is that, and
    otherwise as the beginning of a name in the folder it ends in.
    """
    rest = key[len(prefix) :]
    if not rest:
        return key.rpartition("/")[2]
    if prefix.endswith("/") or not prefix:
        return rest
    return rest[1:] if rest.startswith("/") else key[prefix.rfind("/") + 1 :]


def _safe(path: str, key: str) -> str:
    parts = path.split("/")
    if "" in parts:
        raise download_failure(f"S3 key: {key} has an illegal char sub-sequence '//' in it")
    if ".." in parts or "." in parts or "\0" in path:
        raise download_failure(f"S3 key: {key} cannot be a path of a file")
    return path


def location(uri: str) -> tuple[str, str]:
    """Return bucket and key of a location that a user's file names.

    Raises:
        JobFailure: it is none.
    """
    try:
        return parse_s3_uri(uri)
    except InvalidLocation:
        raise download_failure(f"not an S3 location: {uri}") from None


def object_at(objects: ObjectStore, uri: str) -> ObjectEntry:
    """Return the object at an S3 URI.

    Raises:
        JobFailure: there is none.
    """
    bucket, key = location(uri)
    try:
        return objects.get(bucket, key)
    except (BucketNotFound, ObjectNotFound):
        raise download_failure(f"{_MISSING} ({uri})") from None


def _manifest_items(objects: ObjectStore, channel: Channel) -> Iterator[Item]:
    document = _read_manifest(objects, channel.uri)
    prefix = ""
    for element in document:
        if isinstance(element, dict) and isinstance(element.get("prefix"), str):
            prefix = element["prefix"]
        elif isinstance(element, str) and prefix:
            entry = object_at(objects, prefix + element)
            yield Item(entry, _safe(element.lstrip("/"), entry.key))
        else:
            raise _wrong_manifest(channel.uri, f"unexpected element {element!r}")


def _read_manifest(objects: ObjectStore, uri: str) -> list[Any]:
    try:
        document = json.loads(objects.read(object_at(objects, uri)))
    except ValueError as error:
        raise _wrong_manifest(uri, str(error)) from None
    if not isinstance(document, list) or len(document) < 2 or not isinstance(document[0], dict):
        raise _wrong_manifest(uri, "a prefix and at least one key are expected")
    return document


def _wrong_manifest(uri: str, problem: str) -> JobFailure:
    return download_failure(f"Unable to parse manifest at s3 url {uri}: {problem}")


def gets(channel: Channel, number: int, host: int, host_count: int) -> bool:
    """Return whether one of the hosts that read a channel gets its nth object."""
    return channel.distribution != "ShardedByS3Key" or number % host_count == host
