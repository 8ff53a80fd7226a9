"""Cross-origin rules: which are valid, and which one answers a request.

Source: S3 user guide, "Using cross-origin resource sharing (CORS)".
"""

from __future__ import annotations

import re
from typing import Any

from sagebrush.services.s3.faults import fault

_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_RULES = 100
_VERBS = {
    "Get": "GET",
    "List": "GET",
    "Head": "HEAD",
    "DeleteObjects": "POST",
    "Delete": "DELETE",
    "Abort": "DELETE",
}
_POSTED = ("CompleteMultipartUpload", "CreateMultipartUpload", "PostObject", "RestoreObject")


def check_rules(rules: list[dict[str, Any]]) -> None:
    """Refuse rules that S3 refuses.

    Raises:
        ApiError: MalformedXML, InvalidRequest.
    """
    if not 1 <= len(rules) <= _RULES:
        raise fault("MalformedXML")
    for rule in rules:
        for method in rule["AllowedMethods"]:
            if method not in _METHODS:
                raise fault(
                    "InvalidRequest",
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
                )
        for pattern in (*rule["AllowedOrigins"], *(rule.get("AllowedHeaders") or ())):
            if pattern.count("*") > 1:
                raise fault(
                    "InvalidRequest",
                    f'AllowedOrigin "{pattern}" can not have more than one wildcard.',
                )


def method_of(operation: str) -> str:
    """Return the HTTP method that an operation is called with."""
    for verb, method in _VERBS.items():
        if operation.startswith(verb):
            return method
    return "POST" if operation in _POSTED else "PUT"


def matching_rule(
    rules: list[dict[str, Any]], origin: str, method: str, headers: list[str]
) -> dict[str, Any] | None:
    """Return the first rule that allows the origin, the method and all headers."""
    for rule in rules:
        if (
            method in rule["AllowedMethods"]
            and any(_fits(pattern, origin) for pattern in rule["AllowedOrigins"])
            and all(_header_fits(rule, header) for header in headers)
        ):
            return rule
    return None


def answer_headers(rule: dict[str, Any], origin: str) -> dict[str, str]:
    """Return the headers that let a browser on `origin` see the answer."""
    anyone = "*" in rule["AllowedOrigins"]
    headers = {
        "Access-Control-Allow-Origin": "*" if anyone else origin,
        "Access-Control-Allow-Methods": ", ".join(rule["AllowedMethods"]),
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if exposed := rule.get("ExposeHeaders"):
        headers["Access-Control-Expose-Headers"] = ", ".join(exposed)
    if rule.get("MaxAgeSeconds") is not None:
        headers["Access-Control-Max-Age"] = str(rule["MaxAgeSeconds"])
    if not anyone:
        headers["Access-Control-Allow-Credentials"] = "true"
    return headers


def _header_fits(rule: dict[str, Any], header: str) -> bool:
    patterns = rule.get("AllowedHeaders") or ()
    return any(_fits(pattern.lower(), header.lower()) for pattern in patterns)


def _fits(pattern: str, text: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, text) is not None
