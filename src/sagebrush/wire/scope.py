"""Whom a request claims to come from: access key, region and service of its credential scope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

_SCOPE_PARTS = 5
_PRESIGNED = "X-Amz-Credential="
_PRESIGNED_V2 = "AWSAccessKeyId="


@dataclass(frozen=True, slots=True)
class Scope:
    """The claim, not yet verified. `service` is a signing name; parts not stated are None."""

    access_key: str | None = None
    region: str | None = None
    service: str | None = None


_ANONYMOUS = Scope()
# A client's scope changes once a day.
_CACHED_SCOPES = 1024


def scope_of(authorization: str | None, query: str) -> Scope:
    """Return the scope of an Authorization header, else of a presigned query, else an empty one."""
    if authorization:
        start = authorization.find("Credential=")
        if start >= 0:
            end = authorization.find(",", start)
            credential = authorization[start + 11 : end if end >= 0 else None]
            return _parse(credential.strip())
        if authorization.startswith("AWS ") and ":" in authorization:
            return Scope(authorization[4:].partition(":")[0], None, "s3")
    if query:
        presigned = _parameter(query, _PRESIGNED)
        if presigned is not None:
            return _parse(presigned)
        access_key = _parameter(query, _PRESIGNED_V2)
        if access_key is not None:
            return Scope(access_key, None, "s3")
    return _ANONYMOUS


@lru_cache(maxsize=_CACHED_SCOPES)
def _parse(credential: str) -> Scope:
    """Split `key/date/region/service/aws4_request`; SigV4A scopes have no region."""
    parts = credential.split("/")
    if len(parts) == _SCOPE_PARTS:
        return Scope(parts[0], parts[2], parts[3])
    if len(parts) == _SCOPE_PARTS - 1:
        return Scope(parts[0], None, parts[2])
    return Scope(parts[0] or None)


def _parameter(query: str, prefix: str) -> str | None:
    start = query.find(prefix)
    if start > 0 and query[start - 1] != "&":
        start = query.find("&" + prefix) + 1
        if start == 0:
            return None
    if start < 0:
        return None
    end = query.find("&", start)
    return unquote(query[start + len(prefix) : end if end >= 0 else None])
