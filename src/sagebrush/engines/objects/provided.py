"""Buckets that the platform itself provides: made when they are first asked for, never written.

AWS has public buckets that clients read without anyone having made them. A provider says what such
a bucket holds; its objects become ordinary ones, renewed where the provider's differ.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import md5, sha256

from sagebrush.base.clock import Clock
from sagebrush.engines.objects.entries import Blob, BucketRecord
from sagebrush.engines.objects.versions import Versions

PROVIDER_ACCOUNT = "999999999999"
"""The account that owns them, which is nobody's."""


# Objects carry it, so that one look at the first tells whether all are as they should be.
_MARK = "provided"


@dataclass(frozen=True)
class Provided:
    """What a bucket holds: its region and its objects by key, at least one and small ones."""

    region: str
    contents: Mapping[str, bytes]

    @functools.cached_property
    def mark(self) -> str:
        """A digest of all of it."""
        digest = sha256()
        for key, content in self.contents.items():
            digest.update(f"{key} {len(content)} ".encode() + content)
        return digest.hexdigest()


Provider = Callable[[str], Provided | None]
"""What a bucket of that name holds; None, quickly, if the name is not the provider's."""


class ProvidedBuckets:
    """The providers, and what their buckets should hold."""

    def __init__(self, versions: Versions, clock: Clock) -> None:
        self._versions = versions
        self._clock = clock
        self._providers: list[Provider] = []

    def add(self, provider: Provider) -> None:
        """Let a provider answer for its names from now on."""
        self._providers.append(provider)

    def of(self, name: str) -> Provided | None:
        """What a bucket of that name holds; None if no provider has it."""
        for provider in self._providers:
            provided = provider(name)
            if provided is not None:
                return provided
        return None

    def holds(self, bucket: BucketRecord) -> bool:
        """Whether the bucket is a provided one rather than a user's own of the same name."""
        return bucket.account == PROVIDER_ACCOUNT and self.of(bucket.name) is not None

    def renew(self, bucket: BucketRecord, provided: Provided) -> None:
        """Write the objects anew where they are not what is provided now."""
        first = self._versions.newest(bucket, next(iter(provided.contents)))
        if first is not None and first.attributes.get("Metadata") == {_MARK: provided.mark}:
            return
        attributes = {
            "ContentType": "binary/octet-stream",
            "Owner": PROVIDER_ACCOUNT,
            "Metadata": {_MARK: provided.mark},
        }
        for key, content in provided.contents.items():
            digest = md5(content, usedforsecurity=False).hexdigest()
            blob = Blob(size=len(content), md5=digest, content=content)
            self._versions.put(bucket, key, blob, attributes, now=self._clock.now())
