"""The policy of a browser form: what the fields may be, and until when.

Source: S3 API reference, "Creating an HTML form (using AWS signature version 4)" and "POST
policy".
"""

from __future__ import annotations

import datetime as dt
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any

import orjson

from sagebrush.engines.identity.records import Credential
from sagebrush.services.s3.faults import fault
from sagebrush.wire import sigv2, sigv4
from sagebrush.wire.sigv4 import SignatureError

_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_SIGNATURE_FAULTS = {
    "unknown_key": "InvalidAccessKeyId",
    "expired_token": "ExpiredToken",
    "mismatch": "SignatureDoesNotMatch",
}
# Fields that no condition has to name.
_FREE = frozenset(("awsaccesskeyid", "signature", "x-amz-signature", "policy", "file", "bucket"))


class FormPolicy:
    """A decoded policy."""

    def __init__(self, text: str) -> None:
        """Decode `text`.

        Raises:
            ApiError: InvalidPolicyDocument.
        """
        try:
            document = orjson.loads(b64decode(text, validate=True))
            self._expiration = _time(document["expiration"])
            self._conditions = list(document["conditions"])
        except (Base64Error, ValueError, KeyError, TypeError) as error:
            raise fault("InvalidPolicyDocument", f"Invalid Policy: {error}") from None
        self.minimum_bytes = 0
        self.maximum_bytes: int | None = None

    def check(self, fields: dict[str, str], bucket: str, now: float) -> None:
        """Return if the form keeps to the policy; learn the allowed sizes of the file.

        Raises:
            ApiError: AccessDenied, InvalidPolicyDocument.
        """
        if self._expiration <= now:
            raise fault("AccessDenied", "Invalid according to Policy: Policy expired.")
        values = fields | {"bucket": bucket}
        named: set[str] = set()
        for condition in self._conditions:
            named |= self._check_condition(condition, values)
        extra = [
            name
            for name in fields
            if name not in named and name not in _FREE and not name.startswith("x-ignore-")
        ]
        if extra:
            raise _violated(f"Extra input fields: {', '.join(extra)}")

    def _check_condition(self, condition: Any, values: dict[str, str]) -> set[str]:
        if isinstance(condition, dict) and len(condition) == 1:
            ((name, wanted),) = condition.items()
            return self._check_one("eq", name, wanted, values)
        if isinstance(condition, list) and len(condition) == 3:
            operator, name, wanted = condition
            operator = operator.lower() if isinstance(operator, str) else operator
            if operator == "content-length-range":
                self._set_range(name, wanted)
                return set()
            if isinstance(name, str) and name.startswith("$"):
                return self._check_one(operator, name[1:], wanted, values)
        raise fault("InvalidPolicyDocument", "Invalid Policy: Invalid condition.")

    def _set_range(self, minimum: Any, maximum: Any) -> None:
        try:
            self.minimum_bytes, self.maximum_bytes = int(minimum), int(maximum)
        except (TypeError, ValueError):
            raise fault(
                "InvalidPolicyDocument", "Invalid Policy: Invalid content-length-range."
            ) from None
        if self.minimum_bytes < 0 or self.maximum_bytes < self.minimum_bytes:
            raise fault("InvalidPolicyDocument", "Invalid Policy: Invalid content-length-range.")

    def _check_one(self, operator: Any, name: Any, wanted: Any, values: dict[str, str]) -> set[str]:
        if not isinstance(name, str) or not isinstance(wanted, str):
            raise fault("InvalidPolicyDocument", "Invalid Policy: Invalid condition.")
        value = values.get(name.lower())
        if operator == "eq":
            holds = value == wanted
        elif operator == "starts-with":
            holds = (value or "").startswith(wanted)
        else:
            raise fault("InvalidPolicyDocument", f"Invalid Policy: unknown operator {operator!r}.")
        if not holds:
            raise _violated(f'Policy Condition failed: ["{operator}", "${name}", "{wanted}"]')
        return {name.lower()}


def form_access_key(fields: dict[str, str]) -> str:
    """Return the access key the form is signed with.

    Raises:
        ApiError: InvalidArgument when it or the signature is missing.
    """
    if "x-amz-credential" in fields:
        key, needed = fields["x-amz-credential"].partition("/")[0], "x-amz-signature"
    else:
        key, needed = fields.get("awsaccesskeyid", ""), "signature"
    for name, value in (("AWSAccessKeyId", key), (needed, fields.get(needed))):
        if not value:
            raise fault(
                "InvalidArgument",
                f"Bucket POST must contain a field named '{name}'. If it is specified, please"
                " check the order of the fields.",
                ArgumentName=name,
                ArgumentValue="",
            )
    return key


def check_form_signature(
    fields: dict[str, str], credential_of: Callable[[str], Credential | None], now: float
) -> None:
    """Return if the policy is signed with a key that `credential_of` knows and that is valid.

    Raises:
        ApiError: InvalidAccessKeyId, ExpiredToken, SignatureDoesNotMatch, InvalidArgument.
    """

    def secret_of(access_key: str, token: str | None) -> str | None:
        credential = credential_of(access_key)
        if credential is None or not credential.active:
            return None
        if credential.expires is None:
            return credential.secret
        if credential.expires <= now:
            raise SignatureError("expired_token", "The provided token has expired.")
        return credential.secret if token == credential.token else None

    is_version_2 = "awsaccesskeyid" in fields
    try:
        if is_version_2:
            sigv2.verify_post_policy(fields, secret_of)
        else:
            sigv4.verify_post_policy(fields, secret_of)
    except SignatureError as error:
        code = _SIGNATURE_FAULTS.get(error.kind, "InvalidArgument")
        raise fault(code, error.message if code == "InvalidArgument" else None) from None


def _time(text: str) -> float:
    if _ISO_8601.fullmatch(text) is None:
        raise ValueError("Invalid 'expiration' value")
    return dt.datetime.fromisoformat(text).timestamp()


def _violated(reason: str) -> Exception:
    return fault("AccessDenied", f"Invalid according to Policy: {reason}")
