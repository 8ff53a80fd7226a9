"""Signature Version 4: what was signed, the signature it should have, and whether it has it.

Covers header and query (presigned) signatures, signed chunks and trailers of streamed uploads, and
browser POST policies. Only mathematics: whose key it is and what they may do is not decided here.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from sagebrush.wire.messages import Request
from sagebrush.wire.querystring import parse_query

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_TERMINATOR = "aws4_request"
_MAX_EXPIRY_S = 7 * 24 * 3600
_SKEW_S = {"s3": 900.0}
_OTHER_SKEW_S = 300.0
_SPACES = re.compile(r"\s+")
_SECRET_CACHE_SIZE = 256

# Takes access key and session token (None without), gives the secret key, or None if unknown.
SecretLookup = Callable[[str, str | None], str | None]


class SignatureError(Exception):
    """A signature is not acceptable; `kind` says why, the message says it to the client.

    Kinds: missing, malformed, unknown_key, skewed, expired, mismatch; a `SecretLookup` may raise it
    with expired_token.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential scope: `key/20240131/us-east-1/s3/aws4_request`."""

    access_key: str
    date: str
    region: str
    service: str

    @property
    def scope(self) -> str:
        """The scope without the access key."""
        return f"{self.date}/{self.region}/{self.service}/{_TERMINATOR}"

    @classmethod
    def parse(cls, text: str) -> Credential:
        """Split the text; raises `SignatureError`."""
        parts = text.split("/")
        if len(parts) != 5 or parts[4] != _TERMINATOR:
            raise SignatureError("malformed", f"The credential '{text}' is malformed")
        return cls(*parts[:4])


@dataclass(frozen=True, slots=True)
class Claim:
    """Everything a request says about its signature, before any of it is checked."""

    credential: Credential
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str  # 20240131T120000Z
    expires_s: int | None  # of presigned requests
    session_token: str | None

    @property
    def is_presigned(self) -> bool:
        """Whether the signature is in the query."""
        return self.expires_s is not None


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds, and what the signatures of streamed chunks build on.

    `payload_sha256` is the value the client committed to: hexadecimal digits that the body must
    have, or one of the names `UNSIGNED-PAYLOAD` and `STREAMING-...`.
    """

    claim: Claim
    signing_key: bytes
    payload_sha256: str


def is_signed(request: Request) -> bool:
    """Return whether the request carries a Signature Version 4 at all."""
    return (
        request.headers.get("authorization", "").startswith(ALGORITHM)
        or "X-Amz-Algorithm=" in request.query
    )


def verify(request: Request, secret_of: SecretLookup, now: float) -> Verified:
    """Return the verified claim of a request; raises `SignatureError`.

    `request.body` is hashed unless `x-amz-content-sha256` states its hash, so for streamed
    bodies the caller compares `Verified.payload_sha256` with what it reads.
    """
    claim = claim_of(request)
    _check_time(claim, now)
    secret = secret_of(claim.credential.access_key, claim.session_token)
    if secret is None:
        raise SignatureError("unknown_key", "The access key is not known")
    payload = _payload_sha256(request, claim)
    key = signing_key(secret, claim.credential)
    for path in _canonical_paths(request.path, claim.credential.service):
        expected = _sign(key, string_to_sign(request, claim, path, payload))
        if hmac.compare_digest(expected, claim.signature):
            return Verified(claim, key, payload)
    raise SignatureError("mismatch", "The signature does not match the one calculated")


def check_expiry(request: Request, now: float) -> None:
    """Return if a request is not a presigned URL whose time is over; no secret is needed.

    Raises:
        SignatureError: expired, malformed.
    """
    if "X-Amz-Expires=" not in request.query:
        return
    claim = claim_of(request)
    if claim.is_presigned:
        _check_time(claim, now)


def claim_of(request: Request) -> Claim:
    """Return what the request claims; raises `SignatureError` (missing, malformed)."""
    authorization = request.headers.get("authorization", "")
    if authorization.startswith(ALGORITHM):
        return _header_claim(request, authorization[len(ALGORITHM) :])
    if "X-Amz-Algorithm=" in request.query:
        return _query_claim(request)
    raise SignatureError("missing", "The request is not signed")


def _header_claim(request: Request, text: str) -> Claim:
    fields = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise SignatureError("malformed", f"Authorization header requires '{name}' parameter.")
    return Claim(
        Credential.parse(fields["Credential"]),
        tuple(fields["SignedHeaders"].split(";")),
        fields["Signature"],
        _timestamp_of(request),
        None,
        request.headers.get("x-amz-security-token"),
    )


def _timestamp_of(request: Request) -> str:
    stated = request.headers.get("x-amz-date")
    if stated is None:
        raise SignatureError("malformed", "The request needs an X-Amz-Date header")
    return stated


def _query_claim(request: Request) -> Claim:
    query = {name: values[-1] for name, values in parse_query(request.query).items()}
    for name in ("Credential", "SignedHeaders", "Signature", "Date", "Expires"):
        if not query.get(f"X-Amz-{name}"):
            raise SignatureError("malformed", f"The query needs the parameter X-Amz-{name}")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise SignatureError("malformed", f"X-Amz-Algorithm only supports {ALGORITHM}")
    expires = query["X-Amz-Expires"]
    if not expires.isascii() or not expires.isdigit() or not 0 < int(expires) <= _MAX_EXPIRY_S:
        raise SignatureError(
            "malformed", f"X-Amz-Expires must be a number from 1 to {_MAX_EXPIRY_S} seconds"
        )
    return Claim(
        Credential.parse(query["X-Amz-Credential"]),
        tuple(query["X-Amz-SignedHeaders"].split(";")),
        query["X-Amz-Signature"],
        query["X-Amz-Date"],
        int(expires),
        query.get("X-Amz-Security-Token"),
    )


def _check_time(claim: Claim, now: float) -> None:
    try:
        moment = datetime.strptime(claim.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError("malformed", f"'{claim.timestamp}' is no valid date") from None
    if not claim.timestamp.startswith(claim.credential.date):
        raise SignatureError("malformed", "The date of the credential is not that of the request")
    signed_at = moment.timestamp()
    skew_s = _SKEW_S.get(claim.credential.service, _OTHER_SKEW_S)
    if claim.expires_s is not None:
        if now > signed_at + claim.expires_s:
            raise SignatureError("expired", "Request has expired")
        if signed_at > now + skew_s:
            raise SignatureError("skewed", "The request is not valid yet")
    elif abs(now - signed_at) > skew_s:
        raise SignatureError("skewed", _skew(claim, signed_at, now, skew_s))


def _skew(claim: Claim, signed_at: float, now: float, skew_s: float) -> str:
    """Return AWS's sentence for a time of signing that is too far from now."""
    if claim.credential.service == "s3":
        return "The difference between the request time and the current time is too large."
    here, minutes = _timestamp(now), f"{skew_s / 60:g} min."
    if signed_at < now:
        limit = _timestamp(now - skew_s)
        return (
            f"Signature expired: {claim.timestamp} is now earlier than {limit} ({here} - {minutes})"
        )
    limit = _timestamp(now + skew_s)
    return (
        f"Signature not yet current: {claim.timestamp} is still later than {limit}"
        f" ({here} + {minutes})"
    )


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")


def _payload_sha256(request: Request, claim: Claim) -> str:
    stated = request.headers.get("x-amz-content-sha256")
    if claim.credential.service == "s3":
        if stated is not None:
            return stated
        if claim.is_presigned:
            return UNSIGNED_PAYLOAD
    elif stated == UNSIGNED_PAYLOAD or (stated or "").startswith("STREAMING-"):
        return str(stated)
    return hashlib.sha256(request.body).hexdigest()


def string_to_sign(request: Request, claim: Claim, path: str, payload_sha256: str) -> str:
    """Return the text whose signature the request has to carry, for a canonical path."""
    canonical = canonical_request(request, claim, path, payload_sha256)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"{ALGORITHM}\n{claim.timestamp}\n{claim.credential.scope}\n{digest}"


def canonical_request(request: Request, claim: Claim, path: str, payload_sha256: str) -> str:
    """Return the canonical form of a request."""
    headers = request.headers
    lines = "".join(
        f"{name}:{_SPACES.sub(' ', headers.get(name, '').strip())}\n"
        for name in claim.signed_headers
    )
    return "\n".join(
        (
            request.method,
            path,
            _canonical_query(request.query),
            lines,
            ";".join(claim.signed_headers),
            payload_sha256,
        )
    )


def _canonical_paths(path: str, service: str) -> Iterator[str]:
    """Yield the forms of the path that clients sign.

    S3 keys are taken literally and encoded once; clients differ in what they encode, so the path
    as it was sent counts too. Other services' paths are normalised and encoded twice.
    """
    if service == "s3":
        yield path
        plain = unquote(path, errors="surrogateescape")
        encoded = quote(plain, safe="/~", errors="surrogateescape")
        if encoded != path:
            yield encoded
    elif path in ("", "/"):
        yield "/"
    else:
        normal = posixpath.normpath(path).replace("//", "/")
        if path.endswith("/") and normal != "/":
            normal += "/"
        yield quote(normal, safe="/~")


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if pair and name != "X-Amz-Signature":
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    plain = unquote(text, errors="surrogateescape")
    return quote(plain, safe="~", errors="surrogateescape")


@lru_cache(maxsize=_SECRET_CACHE_SIZE)
def signing_key(secret: str, credential: Credential) -> bytes:
    """Return the key of a secret for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (credential.date, credential.region, credential.service, _TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sign(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256").hex()


def verify_post_policy(fields: dict[str, str], secret_of: SecretLookup) -> Credential:
    """Return the credential that signed a browser upload's policy; raises `SignatureError`.

    `fields` are the form's fields with lower-case names; the policy's own conditions and expiry
    are not looked at.
    """
    for name in ("policy", "x-amz-credential", "x-amz-signature", "x-amz-date"):
        if name not in fields:
            raise SignatureError("malformed", f"The form needs the field {name}")
    if fields.get("x-amz-algorithm") != ALGORITHM:
        raise SignatureError("malformed", f"x-amz-algorithm only supports {ALGORITHM}")
    credential = Credential.parse(fields["x-amz-credential"])
    secret = secret_of(credential.access_key, fields.get("x-amz-security-token"))
    if secret is None:
        raise SignatureError("unknown_key", "The access key is not known")
    expected = _sign(signing_key(secret, credential), fields["policy"])
    if not hmac.compare_digest(expected, fields["x-amz-signature"]):
        raise SignatureError("mismatch", "The signature does not match the one calculated")
    return credential


class ChunkVerifier:
    """Checks the chain of signatures of a body sent as STREAMING-AWS4-HMAC-SHA256-PAYLOAD."""

    def __init__(self, verified: Verified) -> None:
        claim = verified.claim
        self._key = verified.signing_key
        self._previous = claim.signature
        self._context = f"{claim.timestamp}\n{claim.credential.scope}"

    def check_chunk(self, content_sha256: str, signature: str) -> None:
        """Check the next chunk (the empty last one included); raises `SignatureError`."""
        text = (
            f"{ALGORITHM}-PAYLOAD\n{self._context}\n{self._previous}\n{EMPTY_SHA256}\n"
            f"{content_sha256}"
        )
        self._check(text, signature)

    def check_trailer(self, trailer: bytes, signature: str) -> None:
        """Check the trailer, given as `name:value\\n` lines; raises `SignatureError`."""
        digest = hashlib.sha256(trailer).hexdigest()
        self._check(f"{ALGORITHM}-TRAILER\n{self._context}\n{self._previous}\n{digest}", signature)

    def _check(self, text: str, signature: str) -> None:
        if not hmac.compare_digest(_sign(self._key, text), signature):
            raise SignatureError("mismatch", "The signature of a chunk does not match")
        self._previous = signature
