"""Lifecycle rules: which are valid.

Source: S3 user guide, "Lifecycle configuration elements".
"""

from __future__ import annotations

import secrets
from typing import Any

from sagebrush.services.s3.faults import fault, invalid_argument

_ID_LENGTH = 255
_DAY_S = 86_400
_STATUSES = ("Enabled", "Disabled")


def checked_rules(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules, each with an ID.

    Raises:
        ApiError: MalformedXML, InvalidArgument, InvalidRequest.
    """
    if not 1 <= len(rules) <= 1000:
        raise fault("MalformedXML")
    named: list[dict[str, Any]] = []
    seen: set[str] = set()
    for rule in rules:
        identity = rule.get("ID") or secrets.token_hex(16)
        if len(identity) > _ID_LENGTH:
            raise invalid_argument("ID length should not exceed allowed limit of 255", "ID", "")
        if identity in seen:
            raise invalid_argument(
                "Rule ID must be unique. Found same ID for more than one rule", "ID", identity
            )
        seen.add(identity)
        _check(rule)
        named.append(rule | {"ID": identity})
    return named


def _check(rule: dict[str, Any]) -> None:
    if rule.get("Status") not in _STATUSES:
        raise fault("MalformedXML")
    expiration = rule.get("Expiration") or {}
    if len(expiration) > 1:
        raise fault("MalformedXML")
    days = expiration.get("Days")
    if days is not None and days <= 0:
        raise invalid_argument(
            "'Days' for Expiration action must be a positive integer", "Days", days
        )
    _check_date(expiration.get("Date"))
    for transition in rule.get("Transitions") or []:
        _check_date(transition.get("Date"))
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    if noncurrent.get("NoncurrentDays", 1) <= 0:
        raise invalid_argument(
            "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
            "NoncurrentDays",
            noncurrent["NoncurrentDays"],
        )


def _check_date(date: float | None) -> None:
    if date is not None and date % _DAY_S:
        raise invalid_argument("'Date' must be at midnight GMT", "Date", date)
