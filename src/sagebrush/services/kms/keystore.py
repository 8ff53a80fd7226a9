"""Keys as rows: finding them by every form of identifier, and what state they are in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.services.kms import material
from sagebrush.services.kms.specs import ALGORITHM_MEMBERS, KEY_SPECS, KeySpec
from sagebrush.services.platform import Context
from sagebrush.store.database import Row

_DAY_S = 86_400.0
AWS_ALIAS_PREFIX = "alias/aws/"


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret."""

    id: str
    state: str
    created: float
    deletion: float | None
    document: dict[str, Any]

    @property
    def spec(self) -> KeySpec:
        """The key's spec."""
        return KEY_SPECS[self.document["spec"]]

    @property
    def usage(self) -> str:
        """What the key is for."""
        return str(self.document["usage"])


@dataclass(frozen=True, slots=True)
class Material:
    """One secret of a key; `id` is its public name."""

    number: int
    id: str
    secret: bytes
    created: float
    rotation: str


def create(context: Context, secret: bytes, document: dict[str, Any]) -> Key:
    """Return a new enabled key with its first secret."""
    key = Key(str(uuid4()), "Enabled", context.now, None, document)
    context.db.execute(
        "INSERT INTO kms_keys VALUES (?, ?, ?, ?, ?, NULL, ?)",
        (
            key.id,
            context.account,
            context.region,
            key.state,
            key.created,
            orjson.dumps(document).decode(),
        ),
    )
    add_material(context, key.id, secret, "")
    return key


def find(context: Context, identifier: str) -> Key:
    """Return the key of an id, key ARN, alias or alias ARN, whatever its state.

    An `alias/aws/...` nobody has used yet gets its key now.

    Raises:
        ApiError: NotFoundException.
    """
    drop_deleted(context)
    local = _local_part(context, identifier)
    if local.startswith("alias/"):
        return _by_alias(context, local)
    row = context.db.one(
        "SELECT * FROM kms_keys WHERE id = ? AND account = ? AND region = ?",
        (local, context.account, context.region),
    )
    if row is not None:
        return _key(row)
    if not _is_uuid(local):
        raise ApiError("NotFoundException", f"Invalid keyId '{identifier}'")
    raise ApiError("NotFoundException", f"Key '{arn_of_id(context, local)}' does not exist")


def usable(context: Context, identifier: str, usage: str) -> Key:
    """Return a key that may be used now for `usage`.

    Raises:
        ApiError: NotFoundException, DisabledException, KMSInvalidStateException or
            InvalidKeyUsageException.
    """
    key = find(context, identifier)
    require_enabled(context, key)
    if key.usage != usage:
        raise ApiError(
            "InvalidKeyUsageException",
            f"{arn_of(context, key)} key usage is {key.usage} which is not valid for"
            f" {context.operation}.",
        )
    return key


def require_enabled(context: Context, key: Key) -> None:
    """Refuse a key that is disabled or about to be deleted."""
    require_not_deleting(context, key)
    if key.state == "Disabled":
        raise ApiError("DisabledException", f"{arn_of(context, key)} is disabled.")


def require_not_deleting(context: Context, key: Key) -> None:
    """Refuse a key that is about to be deleted."""
    if key.state == "PendingDeletion":
        raise ApiError("KMSInvalidStateException", f"{arn_of(context, key)} is pending deletion.")


def require_customer(context: Context, key: Key) -> None:
    """Refuse to change a key that AWS manages."""
    if key.document["manager"] == "AWS":
        raise ApiError(
            "AccessDeniedException",
            f"User: {context.principal.arn} is not authorized to perform:"
            f" kms:{context.operation} on resource: {arn_of(context, key)}",
        )


def page(context: Context, after: str, limit: int) -> list[Key]:
    """Return the caller's keys by id, those after `after`."""
    drop_deleted(context)
    rows = context.db.all(
        "SELECT * FROM kms_keys WHERE account = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        (context.account, context.region, after, limit),
    )
    return [_key(row) for row in rows]


def update(
    context: Context,
    key: Key,
    *,
    state: str | None = None,
    deletion: float | None = None,
    **document: Any,
) -> None:
    """Write a key's state, deletion time and the given members of its document."""
    context.db.execute(
        "UPDATE kms_keys SET state = ?, deletion = ?, document = ? WHERE id = ?",
        (
            state or key.state,
            deletion,
            orjson.dumps(key.document | document).decode(),
            key.id,
        ),
    )


def add_material(context: Context, key_id: str, secret: bytes, rotation: str) -> None:
    """Put a new secret of a key in force."""
    row = context.db.one(
        "SELECT coalesce(max(number), 0) + 1 FROM kms_materials WHERE key_id = ?", (key_id,)
    )
    assert row is not None
    number = row[0]
    sealed = material.seal(context.platform.settings.data_dir, secret, f"{key_id}/{number}")
    context.db.execute(
        "INSERT INTO kms_materials VALUES (?, ?, ?, ?, ?, ?)",
        (key_id, number, secrets.token_hex(32), sealed, context.now, rotation),
    )


def secret_of(context: Context, key: Key, number: int | None = None) -> Material:
    """Return a key's secret of a number, or the one in force, rotated first when that is due.

    Raises:
        ApiError: InvalidCiphertextException, when there is no secret of that number.
    """
    if number is None:
        _rotate_if_due(context, key)
    row = context.db.one(
        "SELECT * FROM kms_materials WHERE key_id = ? AND (number = ? OR ? IS NULL)"
        " ORDER BY number DESC LIMIT 1",
        (key.id, number, number),
    )
    if row is None:
        raise ApiError("InvalidCiphertextException", "")
    data_dir = context.platform.settings.data_dir
    secret = material.unseal(data_dir, row["sealed"], f"{key.id}/{row['number']}")
    return Material(row["number"], row["id"], secret, row["created"], row["rotation"])


def metadata(context: Context, key: Key) -> dict[str, Any]:
    """Return the `KeyMetadata` shape."""
    spec, usage = key.spec, key.usage
    current = context.db.one(
        "SELECT id FROM kms_materials WHERE key_id = ? ORDER BY number DESC LIMIT 1", (key.id,)
    )
    assert current is not None
    symmetric = spec.name == "SYMMETRIC_DEFAULT"
    return {
        "AWSAccountId": context.account,
        "KeyId": key.id,
        "Arn": arn_of(context, key),
        "CreationDate": key.created,
        "Enabled": key.state == "Enabled",
        "Description": key.document["description"],
        "KeyUsage": usage,
        "KeyState": key.state,
        "DeletionDate": key.deletion,
        "Origin": "AWS_KMS",
        "KeyManager": key.document["manager"],
        "CustomerMasterKeySpec": spec.name if spec.name != "ECC_NIST_EDWARDS25519" else None,
        "KeySpec": spec.name,
        ALGORITHM_MEMBERS[usage]: list(spec.algorithms[usage]),
        "MultiRegion": False,
        "CurrentKeyMaterialId": current["id"] if symmetric else None,
    }


def default_policy(context: Context) -> str:
    """Return the policy of a key that was made without one: the account decides."""
    root = context.arn("iam", "root").replace(f":{context.region}:", "::")
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": root},
        "Action": "kms:*",
        "Resource": "*",
    }
    document = {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}
    return orjson.dumps(document).decode()


def arn_of(context: Context, key: Key) -> str:
    """Return a key's ARN."""
    return arn_of_id(context, key.id)


def arn_of_id(context: Context, key_id: str) -> str:
    """Return the ARN a key id has here."""
    return context.arn("kms", f"key/{key_id}")


def drop_deleted(context: Context) -> None:
    """Delete the keys whose waiting time is over, their secrets and aliases with them."""
    context.db.execute("DELETE FROM kms_keys WHERE deletion <= ?", (context.now,))


def refuse_dry_run(request: dict[str, Any]) -> None:
    """End a request that only asks whether it would succeed."""
    if request.get("DryRun"):
        raise ApiError(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        )


def refuse_recipient(request: dict[str, Any]) -> None:
    """Refuse to encrypt for an enclave, which cannot exist here."""
    if "Recipient" in request:
        raise ApiError(
            "UnsupportedOperationException", "Sagebrush does not support the parameter Recipient."
        )


def _by_alias(context: Context, name: str) -> Key:
    row = context.db.one(
        "SELECT k.* FROM kms_aliases a JOIN kms_keys k ON k.id = a.key_id"
        " WHERE a.account = ? AND a.region = ? AND a.name = ?",
        (context.account, context.region, name),
    )
    if row is not None:
        return _key(row)
    if name.startswith(AWS_ALIAS_PREFIX) and len(name) > len(AWS_ALIAS_PREFIX):
        return _managed(context, name)
    raise ApiError("NotFoundException", f"Alias {context.arn('kms', name)} is not found.")


def _managed(context: Context, alias: str) -> Key:
    """Return a new key that AWS would manage for one of its services."""
    service = alias.removeprefix(AWS_ALIAS_PREFIX)
    document = {
        "spec": "SYMMETRIC_DEFAULT",
        "usage": "ENCRYPT_DECRYPT",
        "manager": "AWS",
        "description": f"Default key that protects my {service} data when no other key is defined",
        "policy": default_policy(context),
        "tags": {},
        "rotation_days": 365,
        "rotation_from": context.now,
    }
    with context.db.atomically():
        key = create(context, material.generate("SYMMETRIC_DEFAULT"), document)
        put_alias(context, alias, key.id)
    return key


def put_alias(context: Context, name: str, key_id: str) -> None:
    """Make an alias."""
    context.db.execute(
        "INSERT INTO kms_aliases VALUES (?, ?, ?, ?, ?, ?)",
        (context.account, context.region, name, key_id, context.now, context.now),
    )


def _rotate_if_due(context: Context, key: Key) -> None:
    due = next_rotation(context, key)
    if due is not None and due <= context.now:
        add_material(context, key.id, material.generate(key.spec.name), "AUTOMATIC")


def next_rotation(context: Context, key: Key) -> float | None:
    """Return when a key's secret is next replaced by itself, None when it is not."""
    days = key.document.get("rotation_days")
    if days is None:
        return None
    row = context.db.one(
        "SELECT max(created) FROM kms_materials WHERE key_id = ? AND rotation = 'AUTOMATIC'",
        (key.id,),
    )
    since = max(key.document["rotation_from"], (row and row[0]) or 0.0)
    return float(since + days * _DAY_S)


def _local_part(context: Context, identifier: str) -> str:
    """Return what an identifier names in the caller's account and region."""
    arn = Arn.parse(identifier)
    if arn is None:
        return identifier
    if arn.service != "kms":
        raise ApiError("InvalidArnException", f"Invalid arn {identifier}")
    if (arn.account, arn.region) != (context.account, context.region):
        elsewhere = arn.region != context.region
        raise ApiError(
            "NotFoundException",
            f"Invalid arn {arn.region}" if elsewhere else f"Key '{identifier}' does not exist",
        )
    return arn.resource.removeprefix("key/")


def _key(row: Row) -> Key:
    return Key(
        row["id"], row["state"], row["created"], row["deletion"], orjson.loads(row["document"])
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
