"""The checksum members of requests and answers.

Source: S3 user guide, "Checking object integrity". A checksum comes in a header, or as a trailer
of a chunked body whose algorithm `x-amz-sdk-checksum-algorithm` names.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagebrush.engines.objects.checksums import ALGORITHMS, FULL_OBJECT_ALGORITHMS
from sagebrush.services.s3.faults import fault

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"
MEMBERS = {algorithm: f"Checksum{algorithm}" for algorithm in sorted(ALGORITHMS)}
_UNSUPPORTED_MEMBERS = ("ChecksumMD5", "ChecksumXXHASH64", "ChecksumXXHASH3", "ChecksumXXHASH128")
_TRAILERS = {f"x-amz-checksum-{name.lower()}": name for name in ALGORITHMS}
_DIGEST_BYTES = {
    "CRC32": 4,
    "CRC32C": 4,
    "CRC64NVME": 8,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
}
_COMPOSITE_TEXT = re.compile(r"(?P<digest>[^-]+)-\d{1,5}")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the client said about the body: algorithms to compute, values known beforehand."""

    algorithms: tuple[str, ...]
    values: dict[str, str]
    md5: bytes | None


def declaration(request: dict[str, Any]) -> Declaration:
    """Return what `request` declares about its body.

    Raises:
        ApiError: InvalidDigest, InvalidRequest for malformed or several checksums, NotImplemented
            for an algorithm that is not computed here.
    """
    for member in _UNSUPPORTED_MEMBERS:
        if request.get(member) is not None:
            raise fault("NotImplemented", f"{member} is not supported by this server.")
    values = {name: request[member] for name, member in MEMBERS.items() if request.get(member)}
    if len(values) > 1:
        raise fault(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    for algorithm, value in values.items():
        check_form(algorithm, value)
    algorithms = list(values)
    named = request.get("ChecksumAlgorithm")
    if named is not None and named not in values:
        if named not in ALGORITHMS:
            raise fault("NotImplemented", f"Checksum algorithm {named} is not supported.")
        algorithms.append(named)
    return Declaration(tuple(algorithms), values, _content_md5(request.get("ContentMD5")))


def check_form(algorithm: str, value: str) -> None:
    """Refuse a value that cannot be a checksum of `algorithm`, or a composite of such.

    Raises:
        ApiError: InvalidRequest.
    """
    composite = _COMPOSITE_TEXT.fullmatch(value)
    try:
        decoded = b64decode(composite["digest"] if composite else value, validate=True)
    except Base64Error:
        decoded = b""
    if len(decoded) != _DIGEST_BYTES[algorithm]:
        raise fault(
            "InvalidRequest",
            f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.",
        )


def verify(
    declared: Declaration, md5: str, computed: Mapping[str, str], trailers: Mapping[str, str]
) -> dict[str, str]:
    """Return the checksums to keep, after comparing what was declared with what arrived.

    Raises:
        ApiError: BadDigest.
    """
    if declared.md5 is not None and declared.md5.hex() != md5:
        raise fault("BadDigest", "The Content-MD5 you specified did not match what we received.")
    expected = dict(declared.values)
    for trailer, value in trailers.items():
        if algorithm := _TRAILERS.get(trailer):
            expected[algorithm] = value
    for algorithm, value in expected.items():
        if algorithm in computed and computed[algorithm] != value:
            raise fault(
                "BadDigest",
                f"The {algorithm} you specified did not match the calculated checksum.",
            )
    return {algorithm: computed[algorithm] for algorithm in expected if algorithm in computed}


def checksum_members(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the members (`ChecksumCRC32`, ..., `ChecksumType`) of an object's checksums."""
    checksums = attributes.get("Checksums")
    if not checksums:
        return {}
    members = {MEMBERS[algorithm]: value for algorithm, value in checksums.items()}
    members["ChecksumType"] = attributes.get("ChecksumType", FULL_OBJECT)
    return members


def upload_checksum_type(algorithm: str, wanted: str | None) -> str:
    """Return the type of checksum a multipart upload gets.

    Raises:
        ApiError: InvalidRequest when the algorithm has no such type.
    """
    default: str = COMPOSITE
    possible: tuple[str, ...] = (COMPOSITE,)
    if algorithm == "CRC64NVME":
        default, possible = FULL_OBJECT, (FULL_OBJECT,)
    elif algorithm in FULL_OBJECT_ALGORITHMS:
        possible = (COMPOSITE, FULL_OBJECT)
    if wanted is not None and wanted not in possible:
        raise fault(
            "InvalidRequest",
            f"The {wanted} checksum type cannot be used with the {algorithm.lower()} checksum"
            " algorithm.",
        )
    return wanted or default


def _content_md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        decoded = b64decode(text, validate=True)
    except Base64Error:
        decoded = b""
    if len(decoded) != 16:
        raise fault("InvalidDigest", **{"Content-MD5": text})
    return decoded
