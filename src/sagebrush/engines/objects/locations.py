"""The ways SageMaker users write where an object lies."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from sagebrush.engines.objects.errors import InvalidLocation

# bucket.s3.amazonaws.com, bucket.s3-eu-west-1.amazonaws.com, bucket.s3.dualstack.eu-west-1...
_VIRTUAL_HOST = re.compile(
    r"(?P<bucket>.+)\.s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?"
)
_PATH_HOST = re.compile(r"s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")
_ARN = re.compile(r"arn:aws[a-z-]*:s3:::(?P<bucket>[^/]+)(?:/(?P<key>.*))?", re.DOTALL)


def parse_s3_uri(text: str) -> tuple[str, str]:
    """Return the bucket and the key or prefix (may be empty) that `text` names.

    Understands `s3://bucket/key` (also `s3a://` and `s3n://`),
    `https://bucket.s3-region.amazonaws.com/key`, `https://s3.region.amazonaws.com/bucket/key` and
    `arn:aws:s3:::bucket/key`. In the https forms the key is percent-decoded, elsewhere it is
    taken as it is.

    Raises:
        InvalidLocation: `text` has none of these forms.
    """
    if matched := _ARN.fullmatch(text):
        return matched["bucket"], matched["key"] or ""
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in ("s3", "s3a", "s3n"):
        bucket, _, key = rest.partition("/")
        if bucket:
            return bucket, key
    if separator and scheme.lower() in ("https", "http"):
        return _from_url(text)
    raise InvalidLocation(text)


def _from_url(text: str) -> tuple[str, str]:
    parts = urlsplit(text)
    host = (parts.hostname or "").lower()
    path = unquote(parts.path).removeprefix("/")
    if matched := _VIRTUAL_HOST.fullmatch(host):
        return matched["bucket"], path
    if _PATH_HOST.fullmatch(host):
        bucket, _, key = path.partition("/")
        if bucket:
            return bucket, key
    raise InvalidLocation(text)
