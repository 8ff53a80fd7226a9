"""Access control lists: canned lists, grant headers, and what a list permits.

Source: S3 user guide, "Access control list (ACL) overview". A list is kept as its grants in wire
form; the owner is kept with the bucket or object.
"""

from __future__ import annotations

import re
from typing import Any

from sagebrush.services.s3.faults import fault, invalid_argument
from sagebrush.services.s3.owners import account_of, canonical_id, owner

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
_GROUPS = (ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY)
_PERMISSIONS = ("FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP")
_HEADERS = {
    "GrantRead": "READ",
    "GrantWrite": "WRITE",
    "GrantReadACP": "READ_ACP",
    "GrantWriteACP": "WRITE_ACP",
    "GrantFullControl": "FULL_CONTROL",
}
# Canned list: what it grants beside the owner's full control.
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((ALL_USERS, "READ"),),
    "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
    "authenticated-read": ((AUTHENTICATED_USERS, "READ"),),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
    "aws-exec-read": (),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
}
_BUCKET_OWNERS = {"bucket-owner-read": "READ", "bucket-owner-full-control": "FULL_CONTROL"}
_GRANTEE = re.compile(r'\s*(id|uri|emailAddress)\s*=\s*"?([^",]*)"?\s*', re.IGNORECASE)

Grants = list[dict[str, Any]]


def requested_grants(request: dict[str, Any], account: str, bucket_account: str) -> Grants | None:
    """Return the grants that `ACL` or the `Grant...` members ask for; None without either.

    Raises:
        ApiError: InvalidArgument or InvalidRequest.
    """
    canned = request.get("ACL")
    headers = {name: request[name] for name in _HEADERS if request.get(name) is not None}
    if canned and headers:
        raise fault(
            "InvalidRequest",
            "Specifying both Canned ACLs and Header Grants is not allowed",
        )
    if canned:
        return canned_grants(canned, account, bucket_account)
    if not headers:
        return None
    return [
        {"Grantee": _grantee(text), "Permission": _HEADERS[name]}
        for name, value in headers.items()
        for text in value.split(",")
    ]


def canned_grants(name: str, account: str, bucket_account: str) -> Grants:
    """Return the grants of a canned list for something that `account` owns.

    Raises:
        ApiError: InvalidArgument when there is no such canned list.
    """
    if name not in _CANNED:
        raise invalid_argument("Canned ACL is not valid", "x-amz-acl", name)
    grants: Grants = [
        {"Grantee": {"Type": "Group", "URI": group}, "Permission": permission}
        for group, permission in _CANNED[name]
    ]
    grants.append(_user_grant(account, "FULL_CONTROL"))
    if name in _BUCKET_OWNERS and bucket_account != account:
        grants.append(_user_grant(bucket_account, _BUCKET_OWNERS[name]))
    return grants


def policy_grants(policy: dict[str, Any], account: str) -> Grants:
    """Return the grants of an `AccessControlPolicy` document for something of `account`.

    Raises:
        ApiError: MalformedACLError, AccessDenied for another owner, InvalidArgument,
            UnresolvableGrantByEmailAddress.
    """
    named = (policy.get("Owner") or {}).get("ID")
    if named is not None and named != canonical_id(account):
        raise fault("AccessDenied")
    grants: Grants = []
    for grant in policy.get("Grants") or []:
        if grant.get("Permission") not in _PERMISSIONS or not grant.get("Grantee"):
            raise fault("MalformedACLError")
        grants.append({"Grantee": _checked(grant["Grantee"]), "Permission": grant["Permission"]})
    return grants


def permits(grants: Grants, permission: str, account: str | None, *, ignore_public: bool) -> bool:
    """Whether the list gives `permission` to `account` (None: an anonymous caller)."""
    for grant in grants:
        if grant["Permission"] not in (permission, "FULL_CONTROL"):
            continue
        grantee = grant["Grantee"]
        if grantee["Type"] == "CanonicalUser":
            if account is not None and grantee["ID"] == canonical_id(account):
                return True
        elif not ignore_public and (
            grantee["URI"] == ALL_USERS
            or (grantee["URI"] == AUTHENTICATED_USERS and account is not None)
        ):
            return True
    return False


def is_public(grants: Grants) -> bool:
    """Whether the list grants anything to everyone, or to everyone with an account."""
    return any(grant["Grantee"].get("URI") in (ALL_USERS, AUTHENTICATED_USERS) for grant in grants)


def _user_grant(account: str, permission: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "CanonicalUser", **owner(account)}, "Permission": permission}


def _grantee(text: str) -> dict[str, Any]:
    matched = _GRANTEE.fullmatch(text)
    if matched is None:
        raise invalid_argument("Argument format not recognized", "x-amz-grant", text)
    kind, value = matched[1].lower(), matched[2]
    if kind == "id":
        return _checked({"Type": "CanonicalUser", "ID": value})
    if kind == "uri":
        return _checked({"Type": "Group", "URI": value})
    return _checked({"Type": "AmazonCustomerByEmail", "EmailAddress": value})


def _checked(grantee: dict[str, Any]) -> dict[str, Any]:
    kind = grantee.get("Type")
    if kind == "CanonicalUser":
        identity = grantee.get("ID") or ""
        account = account_of(identity)
        if account is None:
            raise invalid_argument("Invalid id", "CanonicalUser/ID", identity)
        return {"Type": kind, **owner(account)}
    if kind == "Group":
        if grantee.get("URI") not in _GROUPS:
            raise invalid_argument("Invalid group uri", "Group/URI", grantee.get("URI"))
        return {"Type": kind, "URI": grantee["URI"]}
    if kind == "AmazonCustomerByEmail":
        # Accounts have no e-mail addresses here; AWS itself ended grants by address in 2025.
        raise fault("UnresolvableGrantByEmailAddress")
    raise fault("MalformedACLError")
