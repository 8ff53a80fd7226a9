"""Keys, their states, names, rotation and grants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.services.kms.material import MASTER_KEY_FILE

DAY_S = 86_400


@pytest.fixture
def kms(client: Any) -> Any:
    return client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    return str(kms.create_key(Description="mine")["KeyMetadata"]["KeyId"])


def test_create_and_describe(kms: Any, account: str) -> None:
    made = kms.create_key(Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    assert made["Arn"] == f"arn:aws:kms:us-east-1:{account}:key/{made['KeyId']}"
    assert (made["KeyState"], made["KeyUsage"], made["KeySpec"]) == (
        "Enabled",
        "ENCRYPT_DECRYPT",
        "SYMMETRIC_DEFAULT",
    )
    for identifier in (made["KeyId"], made["Arn"]):
        assert kms.describe_key(KeyId=identifier)["KeyMetadata"] == made
    assert kms.list_resource_tags(KeyId=made["KeyId"])["Tags"] == [{"TagKey": "a", "TagValue": "b"}]


def test_list_pages(kms: Any) -> None:
    made = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3)}
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Keys"]) for page in pages] == [2, 1]
    assert {key["KeyId"] for page in pages for key in page["Keys"]} == made


@pytest.mark.parametrize(
    "request_",
    [
        {"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"},
        {"Origin": "EXTERNAL"},
        {"MultiRegion": True},
    ],
)
def test_what_is_not_supported_is_said(kms: Any, refusal: Any, request_: dict[str, Any]) -> None:
    code, message = refusal(kms.create_key, **request_)
    assert code == "UnsupportedOperationException"
    assert message.startswith("Sagebrush does not support ")


def test_a_key_that_is_not_there(kms: Any, refusal: Any, account: str) -> None:
    gone = "00000000-0000-0000-0000-000000000000"
    assert refusal(kms.describe_key, KeyId=gone) == (
        "NotFoundException",
        f"Key 'arn:aws:kms:us-east-1:{account}:key/{gone}' does not exist",
    )
    assert refusal(kms.describe_key, KeyId="alias/none")[0] == "NotFoundException"
    assert refusal(kms.describe_key, KeyId="arn:aws:s3:::x")[0] == "InvalidArnException"


def test_disabled_keys_are_not_used(kms: Any, key: str, refusal: Any) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"] is False
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x")[0] == "DisabledException"
    assert refusal(kms.decrypt, CiphertextBlob=blob)[0] == "DisabledException"
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_deletion_waits_and_can_be_cancelled(kms: Any, key: str, refusal: Any) -> None:
    assert refusal(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=6)[0] == (
        "ValidationException"
    )
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert described["KeyState"] == "PendingDeletion"
    waiting = described["DeletionDate"] - described["CreationDate"]
    assert waiting.total_seconds() == pytest.approx(7 * DAY_S, abs=60)
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x")[0] == "KMSInvalidStateException"
    assert refusal(kms.enable_key, KeyId=key)[0] == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key)
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["KeyState"], "DeletionDate" in described) == ("Disabled", False)


def test_a_key_is_gone_after_its_waiting_time(handlers: Any) -> None:
    key = handlers.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    handlers.call("kms", "CreateAlias", AliasName="alias/a", TargetKeyId=key)
    sealed = handlers.call("kms", "Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    handlers.call("kms", "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    handlers.clock.advance(7 * DAY_S - 1)
    assert handlers.call("kms", "DescribeKey", KeyId="alias/a")["KeyMetadata"]["KeyId"] == key
    handlers.clock.advance(1)
    assert handlers.refusal("kms", "DescribeKey", KeyId=key) == "NotFoundException"
    assert handlers.refusal("kms", "Decrypt", CiphertextBlob=sealed) == "NotFoundException"
    assert handlers.call("kms", "ListAliases")["Aliases"] == []
    assert handlers.call("kms", "ListKeys")["Keys"] == []


def test_aliases(kms: Any, key: str, refusal: Any) -> None:
    kms.create_alias(AliasName="alias/a", TargetKeyId=key)
    taken = refusal(kms.create_alias, AliasName="alias/a", TargetKeyId=key)
    assert taken[0] == "AlreadyExistsException"
    assert refusal(kms.create_alias, AliasName="a", TargetKeyId=key)[0] == "ValidationException"
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/a", TargetKeyId=other)
    assert kms.describe_key(KeyId="alias/a")["KeyMetadata"]["KeyId"] == other
    assert kms.list_aliases(KeyId=key)["Aliases"] == []
    (alias,) = kms.list_aliases(KeyId=other)["Aliases"]
    assert alias["AliasArn"].endswith(":alias/a")
    mac = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]
    code, _ = refusal(kms.update_alias, AliasName="alias/a", TargetKeyId=mac["KeyId"])
    assert code == "ValidationException"
    kms.delete_alias(AliasName="alias/a")
    assert refusal(kms.delete_alias, AliasName="alias/a")[0] == "NotFoundException"


def test_awss_keys_appear_on_first_use_and_are_awss(kms: Any, refusal: Any) -> None:
    assert kms.list_aliases()["Aliases"] == []
    managed = kms.describe_key(KeyId="alias/aws/sagemaker")["KeyMetadata"]
    assert managed["KeyManager"] == "AWS"
    again = kms.describe_key(KeyId="alias/aws/sagemaker")["KeyMetadata"]
    assert again["KeyId"] == managed["KeyId"]
    names = [alias["AliasName"] for alias in kms.list_aliases()["Aliases"]]
    assert names == ["alias/aws/sagemaker"]
    assert refusal(kms.disable_key, KeyId=managed["KeyId"])[0] == "AccessDeniedException"
    mine = refusal(kms.create_alias, AliasName="alias/aws/x", TargetKeyId=managed["KeyId"])
    assert mine[0] == "NotAuthorizedException"


def test_rotation_keeps_what_was_sealed_before(kms: Any, key: str) -> None:
    first = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    before = kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    kms.rotate_key_on_demand(KeyId=key)
    after = kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert before != after
    second = kms.encrypt(KeyId=key, Plaintext=b"new")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=first)["KeyMaterialId"] == before
    assert kms.decrypt(CiphertextBlob=second)["KeyMaterialId"] == after
    (rotation,) = kms.list_key_rotations(KeyId=key)["Rotations"]
    assert rotation["RotationType"] == "ON_DEMAND"
    every = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [r["KeyMaterialState"] for r in every] == ["NON_CURRENT", "CURRENT"]


def test_automatic_rotation_happens_when_due(handlers: Any) -> None:
    key = handlers.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    handlers.call("kms", "EnableKeyRotation", KeyId=key, RotationPeriodInDays=90)
    status = handlers.call("kms", "GetKeyRotationStatus", KeyId=key)
    assert status["NextRotationDate"] == handlers.clock.now() + 90 * DAY_S
    handlers.clock.advance(90 * DAY_S - 1)
    first = handlers.call("kms", "Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert handlers.call("kms", "ListKeyRotations", KeyId=key)["Rotations"] == []
    handlers.clock.advance(1)
    handlers.call("kms", "Encrypt", KeyId=key, Plaintext=b"x")
    (rotation,) = handlers.call("kms", "ListKeyRotations", KeyId=key)["Rotations"]
    assert rotation["RotationType"] == "AUTOMATIC"
    assert handlers.call("kms", "Decrypt", CiphertextBlob=first)["Plaintext"] == b"x"
    handlers.call("kms", "DisableKeyRotation", KeyId=key)
    handlers.clock.advance(400 * DAY_S)
    handlers.call("kms", "Encrypt", KeyId=key, Plaintext=b"x")
    assert len(handlers.call("kms", "ListKeyRotations", KeyId=key)["Rotations"]) == 1


def test_secrets_at_rest_are_sealed_with_a_file_only_the_owner_reads(handlers: Any) -> None:
    made = handlers.call("kms", "CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    folder = handlers.platform.settings.data_dir
    master = folder / MASTER_KEY_FILE
    assert master.stat().st_mode & 0o777 == 0o600
    assert len(master.read_bytes()) == 32
    row = handlers.platform.db.one(
        "SELECT sealed FROM kms_materials WHERE key_id = ?", (made["KeyMetadata"]["KeyId"],)
    )
    # Nonce and tag around the 32 bytes of the secret.
    assert len(row["sealed"]) == 12 + 32 + 16


def test_policies_and_descriptions(kms: Any, key: str, refusal: Any, account: str) -> None:
    default = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    assert default["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{account}:root"}
    default["Id"] = "changed"
    kms.put_key_policy(KeyId=key, Policy=json.dumps(default))
    assert json.loads(kms.get_key_policy(KeyId=key)["Policy"])["Id"] == "changed"
    assert refusal(kms.put_key_policy, KeyId=key, Policy="{}")[0] == (
        "MalformedPolicyDocumentException"
    )
    kms.update_key_description(KeyId=key, Description="new")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "new"


def test_tags(kms: Any, key: str, refusal: Any) -> None:
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "1"}])
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": k, "TagValue": "2"} for k in "ab"])
    kms.untag_resource(KeyId=key, TagKeys=["b"])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "a", "TagValue": "2"}]
    reserved = [{"TagKey": "aws:x", "TagValue": ""}]
    assert refusal(kms.tag_resource, KeyId=key, Tags=reserved)[0] == "TagException"


def test_grants(kms: Any, key: str, refusal: Any, account: str) -> None:
    request = {
        "KeyId": key,
        "GranteePrincipal": f"arn:aws:iam::{account}:role/r",
        "RetiringPrincipal": f"arn:aws:iam::{account}:role/boss",
        "Operations": ["Decrypt"],
        "Name": "g",
    }
    made = kms.create_grant(**request)
    assert kms.create_grant(**request)["GrantId"] == made["GrantId"]
    (grant,) = kms.list_grants(KeyId=key)["Grants"]
    assert (grant["Name"], grant["Operations"]) == ("g", ["Decrypt"])
    mine = kms.list_retirable_grants(RetiringPrincipal=request["RetiringPrincipal"])["Grants"]
    assert len(mine) == 1
    kms.retire_grant(GrantToken=made["GrantToken"])
    assert kms.list_grants(KeyId=key)["Grants"] == []
    code, _ = refusal(kms.revoke_grant, KeyId=key, GrantId=made["GrantId"])
    assert code == "NotFoundException"
