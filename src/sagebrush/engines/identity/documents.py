"""Policy documents: parsing, the grammar's rules, and AWS's wording when one is broken.

Grammar: IAM User Guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from sagebrush.engines.identity.conditions import Condition, parse_conditions
from sagebrush.engines.identity.errors import IdentityError

_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT_KEYS = frozenset(
    [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ]
)
_SID = re.compile(r"[0-9A-Za-z]*")
_VENDOR = re.compile(r"[0-9A-Za-z-]+")


class PolicyMalformed(IdentityError):
    """A policy document breaks the grammar; the text says how, in AWS's words."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `negated_*` say that the list names exceptions."""

    sid: str
    allows: bool
    actions: tuple[str, ...]
    negated_actions: bool
    resources: tuple[str, ...]
    negated_resources: bool
    principals: tuple[tuple[str, str], ...]
    negated_principals: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A valid policy document."""

    statements: tuple[Statement, ...]

    @classmethod
    def identity(cls, text: str) -> PolicyDocument:
        """Return a policy that is attached to an identity.

        Raises:
            PolicyMalformed: the grammar is broken, or a principal is named.
        """
        return _parse(text, "identity")

    @classmethod
    def trust(cls, text: str) -> PolicyDocument:
        """Return a role's trust policy.

        Raises:
            PolicyMalformed: the grammar is broken, a principal missing, or a resource named.
        """
        return _parse(text, "trust")

    @classmethod
    def resource(cls, text: str) -> PolicyDocument:
        """Return a policy that is attached to a resource (a bucket, a key).

        Raises:
            PolicyMalformed: the grammar is broken or a principal missing.
        """
        return _parse(text, "resource")


@lru_cache(maxsize=512)
def _parse(text: str, kind: str) -> PolicyDocument:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise PolicyMalformed("Syntax errors in policy.") from None
    if not isinstance(document, dict) or document.keys() - {"Version", "Id", "Statement"}:
        raise PolicyMalformed("Syntax errors in policy.")
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise PolicyMalformed("The policy must contain a valid version string.")
    if kind == "identity" and version != "2012-10-17":
        raise PolicyMalformed("Policy document must be version 2012-10-17 or greater.")
    statements = _as_list(document.get("Statement"))
    if not statements:
        raise PolicyMalformed("Syntax errors in policy.")
    parsed = tuple(_statement(statement, kind) for statement in statements)
    sids = [statement.sid for statement in parsed if statement.sid]
    if len(set(sids)) != len(sids):
        raise PolicyMalformed("Statement IDs (SID) in a single policy must be unique.")
    return PolicyDocument(parsed)


def _statement(statement: Any, kind: str) -> Statement:
    if not isinstance(statement, dict) or statement.keys() - _STATEMENT_KEYS:
        raise PolicyMalformed("Syntax errors in policy.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise PolicyMalformed("Syntax errors in policy.")
    sid = statement.get("Sid", "")
    if not isinstance(sid, str):
        raise PolicyMalformed("Syntax errors in policy.")
    if kind == "identity" and not _SID.fullmatch(sid):
        raise PolicyMalformed(
            "Statement IDs (SID) must be alpha-numeric. Check that your input"
            " satisfies the regular expression [0-9A-Za-z]*"
        )
    actions, negated_actions = _either(statement, "Action")
    if not actions:
        raise PolicyMalformed("Policy statement must contain actions.")
    _check_actions(actions)
    resources, negated_resources = _either(statement, "Resource")
    _check_resources(resources, kind)
    principals, negated_principals = _principals(statement, kind)
    try:
        conditions = parse_conditions(statement.get("Condition", {}))
    except ValueError as error:
        raise PolicyMalformed(str(error)) from None
    return Statement(
        sid,
        statement["Effect"] == "Allow",
        actions,
        negated_actions,
        resources,
        negated_resources,
        principals,
        negated_principals,
        conditions,
    )


def _either(statement: dict[str, Any], key: str) -> tuple[tuple[str, ...], bool]:
    """Return the texts under `key` or `Not<key>`, and whether it was the latter."""
    if key in statement and f"Not{key}" in statement:
        raise PolicyMalformed("Syntax errors in policy.")
    negated = f"Not{key}" in statement
    values = _as_list(statement.get(f"Not{key}" if negated else key, []))
    if not all(isinstance(value, str) for value in values):
        raise PolicyMalformed("Syntax errors in policy.")
    return tuple(values), negated


def _check_actions(actions: Iterable[str]) -> None:
    for action in actions:
        if action == "*":
            continue
        vendor, colon, _ = action.partition(":")
        if not colon:
            raise PolicyMalformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            )
        if not _VENDOR.fullmatch(vendor):
            raise PolicyMalformed(f"Vendor {vendor} is not valid")


def _check_resources(resources: tuple[str, ...], kind: str) -> None:
    if kind == "trust":
        if resources:
            raise PolicyMalformed("Has prohibited field Resource")
        return
    if not resources:
        raise PolicyMalformed("Policy statement must contain resources.")
    for resource in resources:
        if resource != "*" and not resource.startswith("arn:"):
            raise PolicyMalformed(f'Resource {resource} must be in ARN format or "*".')


def _principals(statement: dict[str, Any], kind: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    negated = "NotPrincipal" in statement
    given = statement.get("NotPrincipal" if negated else "Principal")
    if kind == "identity":
        if given is not None:
            raise PolicyMalformed("Policy document should not specify a principal.")
        return (), False
    if given is None:
        raise PolicyMalformed("Missing required field Principal")
    if given == "*":
        return (("AWS", "*"),), negated
    if not isinstance(given, dict) or not given:
        raise PolicyMalformed("Syntax errors in policy.")
    pairs = []
    for category, names in given.items():
        if category not in ("AWS", "Service", "Federated", "CanonicalUser"):
            raise PolicyMalformed(f"Invalid principal in policy: {category}")
        for name in _as_list(names):
            if not isinstance(name, str):
                raise PolicyMalformed("Syntax errors in policy.")
            pairs.append((category, name))
    return tuple(pairs), negated


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
