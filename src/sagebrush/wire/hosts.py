"""What a Host header tells: the bucket of virtual-host requests, the region, the endpoint."""

from __future__ import annotations

import re
from functools import lru_cache

_REGION = re.compile(r"(?:^|[.-])([a-z]{2}(?:-[a-z]+){1,2}-\d)(?=[.-]|$)")
# `bucket.s3.region.amazonaws.com`, `bucket.s3-region...`, `bucket.s3.localhost`; the last `.s3`
# counts, since bucket names may hold dots.
_BUCKET_HOST = re.compile(r"(?P<bucket>.+)\.s3(?:[.-].*)")
_LOCAL_SUFFIX = ".localhost"
# A server sees few host names, and each of them in every request.
_CACHED_HOSTS = 1024


def host_name(header: str) -> str:
    """Return the lower-case host of a Host header, without the port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


@lru_cache(maxsize=_CACHED_HOSTS)
def bucket_of(host: str) -> str | None:
    """Return the bucket in a host name, or None for path-style hosts.

    `host` is in lower case and without port. Below `localhost` every name that is not S3's own
    endpoint is a bucket: `bucket.localhost`, `bucket.s3.localhost`.
    """
    match = _BUCKET_HOST.fullmatch(host)
    if match is not None:
        return match["bucket"]
    if host.endswith(_LOCAL_SUFFIX):
        bucket = host[: -len(_LOCAL_SUFFIX)]
        return None if bucket == "s3" or bucket.startswith(("s3.", "s3-")) else bucket
    return None


@lru_cache(maxsize=_CACHED_HOSTS)
def region_of(host: str) -> str | None:
    """Return the region named in a host, or None."""
    match = _REGION.search(host)
    return None if match is None else match[1]
