"""Access keys of users. The secret is shown once, when the key is made."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity.records import AccessKey
from sagebrush.services.iam.callers import caller_or_named
from sagebrush.services.iam.entities import find
from sagebrush.services.iam.paging import page_of
from sagebrush.services.platform import Context

_KEYS_PER_USER = 2


def create_access_key(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a key of a user; its secret is in this answer and in no other."""
    owner = _owner(context, request)
    credentials = context.platform.identity.credentials
    if len(credentials.keys(context.account, owner)) >= _KEYS_PER_USER:
        raise ApiError(
            "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {_KEYS_PER_USER}"
        )
    key = credentials.create_key(context.account, owner)
    return {"AccessKey": _metadata(key) | {"SecretAccessKey": key.secret}}


def list_access_keys(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the keys of a user, without secrets."""
    keys = context.platform.identity.credentials.keys(context.account, _owner(context, request))
    pairs = sorted((key.access_key, _metadata(key)) for key in keys)
    return page_of(pairs, request, "AccessKeyMetadata")


def update_access_key(context: Context, request: dict[str, Any]) -> None:
    """Make a key active or inactive."""
    key = _key(context, request)
    context.platform.identity.credentials.set_status(key.access_key, request["Status"])


def delete_access_key(context: Context, request: dict[str, Any]) -> None:
    """Remove a key."""
    context.platform.identity.credentials.delete_key(_key(context, request).access_key)


def _owner(context: Context, request: dict[str, Any]) -> str | None:
    if "UserName" not in request and context.principal.kind == "Root":
        return None
    return find(context, "user", caller_or_named(context, request)).name


def _key(context: Context, request: dict[str, Any]) -> AccessKey:
    owner = _owner(context, request)
    key = context.platform.identity.credentials.key(request["AccessKeyId"])
    if key is None or key.account != context.account or key.user != owner:
        raise ApiError(
            "NoSuchEntity", f"The Access Key with id {request['AccessKeyId']} cannot be found."
        )
    return key


def _metadata(key: AccessKey) -> dict[str, Any]:
    return {
        "UserName": key.user or "root",
        "AccessKeyId": key.access_key,
        "Status": key.status,
        "CreateDate": key.created,
    }
