"""The JumpStart bucket, from which clients learn what model ids there are and how they train.

AWS keeps a public bucket in each region with a manifest, a specification for each model id, and the
scripts and archives that these name. Here it holds what the algorithms' cards say.
"""

from __future__ import annotations

import functools
import re

from sagebrush.engines.objects import Provided

BUCKET_PREFIX = "jumpstart-cache-prod-"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def provide(bucket: str) -> Provided | None:
    """Return what the JumpStart bucket of that name holds, None if it is no such name."""
    region = bucket.removeprefix(BUCKET_PREFIX)
    if region == bucket or not _REGION.fullmatch(region):
        return None
    return _provided(region)


@functools.lru_cache(maxsize=4)
def _provided(region: str) -> Provided:
    from sagebrush.services.sagemaker.jumpstart.content import content_of

    return Provided(region, content_of(region))


def key_in_bucket(uri: str) -> str | None:
    """Return the key of an S3 URI into a JumpStart bucket, None for any other text."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    region = bucket.removeprefix(BUCKET_PREFIX)
    return key if region != bucket and _REGION.fullmatch(region) and key else None
