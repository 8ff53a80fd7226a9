"""The identity store: names, credentials, who stands behind a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.identity import EntityExists, EntityNotFound, IdentityStore
from sagebrush.store.database import Database

ACCOUNT = "111122223333"
REGION = "us-east-1"
READS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}],
    }
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[IdentityStore]:
    database = Database(tmp_path / "state.sqlite")
    identity = IdentityStore(database, clock)
    identity.credentials.machine_clock = clock
    yield identity
    database.close()


def test_names_are_unique_whatever_their_case(store: IdentityStore) -> None:
    store.entities.create(ACCOUNT, "user", "Bob", "/", {})
    with pytest.raises(EntityExists):
        store.entities.create(ACCOUNT, "user", "bob", "/", {})
    assert store.entities.find(ACCOUNT, "user", "bob") is None
    assert store.entities.find("999999999999", "user", "Bob") is None
    store.entities.create(ACCOUNT, "group", "bob", "/", {})


def test_a_new_name_carries_links_policies_and_keys_along(store: IdentityStore) -> None:
    user = store.entities.create(ACCOUNT, "user", "bob", "/", {})
    key = store.credentials.create_key(ACCOUNT, "bob")
    store.entities.link(ACCOUNT, "user-policy", "bob", "arn:aws:iam::aws:policy/ReadOnlyAccess")
    store.entities.put_inline(ACCOUNT, "user", "bob", "own", READS)
    store.entities.update(user, name="robert")
    assert store.principal(key.access_key, ACCOUNT, REGION).arn.endswith(":user/robert")
    assert len(store.policies_of(ACCOUNT, "user", "robert")) == 2
    assert store.policies_of(ACCOUNT, "user", "bob") == []


def test_an_unknown_key_stands_for_a_session_of_the_sagemaker_role(store: IdentityStore) -> None:
    identity = store.principal("anything", ACCOUNT, REGION)
    assert identity.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/SageMakerRole/sagebrush"
    assert identity.kind == "AssumedRole"
    role = store.role(ACCOUNT, "SageMakerRole")
    assert role is not None
    assert identity.user_id == f"{role.id}:sagebrush"
    assert store.principal("x", ACCOUNT, "cn-north-1").arn.startswith("arn:aws-cn:sts:")


def test_usual_roles_are_there_until_deleted(store: IdentityStore) -> None:
    role = store.role(ACCOUNT, "AmazonSageMaker-ExecutionRole-20240102T030405")
    assert role is not None
    assert role.path == "/service-role/"
    assert store.role(ACCOUNT, "MyRole") is None
    store.entities.delete(role)
    assert store.role(ACCOUNT, role.name) is None


def test_the_usual_role_may_what_a_training_job_needs(store: IdentityStore) -> None:
    identity = store.principal("anything", ACCOUNT, REGION)
    for action in ("sagemaker:CreateTrainingJob", "s3:PutObject", "logs:PutLogEvents"):
        assert store.authorise(identity, action, "*").allowed
    assert not store.authorise(identity, "iam:CreateUser").allowed


def test_users_may_what_they_and_their_groups_are_allowed(store: IdentityStore) -> None:
    store.entities.create(ACCOUNT, "user", "bob", "/", {})
    store.entities.create(ACCOUNT, "group", "readers", "/", {})
    key = store.credentials.create_key(ACCOUNT, "bob")
    bob = store.principal(key.access_key, ACCOUNT, REGION)
    assert not store.authorise(bob, "s3:GetObject").allowed
    store.entities.put_inline(ACCOUNT, "group", "readers", "reads", READS)
    store.entities.link(ACCOUNT, "user-group", "bob", "readers")
    assert store.authorise(bob, "s3:GetObject").allowed
    assert not store.authorise(bob, "s3:PutObject").allowed


def test_root_may_everything(store: IdentityStore) -> None:
    key = store.ensure_root_key(ACCOUNT)
    assert store.ensure_root_key(ACCOUNT) == key
    root = store.principal(key.access_key, "999999999999", REGION)
    assert (root.kind, root.account) == ("Root", ACCOUNT)
    assert store.authorise(root, "iam:DeleteUser").allowed


def test_secrets_of_inactive_and_expired_credentials_are_not_given(
    store: IdentityStore, clock: ManualClock
) -> None:
    key = store.credentials.create_key(ACCOUNT, None)
    assert store.secret(key.access_key) == key.secret
    store.credentials.set_status(key.access_key, "Inactive")
    assert store.secret(key.access_key) is None
    session = store.credentials.create_session(
        ACCOUNT, arn="a", user_id="u", source_kind="root", source_name="", duration_s=900
    )
    assert store.secret(session.access_key) == session.secret
    clock.advance(900)
    assert store.secret(session.access_key) is None
    assert store.secret("AKIAUNKNOWN") is None


def test_a_session_may_only_what_its_policies_leave(store: IdentityStore) -> None:
    session = store.credentials.create_session(
        ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/SageMakerRole/me",
        user_id="u",
        source_kind="role",
        source_name="SageMakerRole",
        duration_s=900,
        policies=[READS],
    )
    identity = store.principal(session.access_key, ACCOUNT, REGION)
    assert store.authorise(identity, "s3:GetObject").allowed
    refused = store.authorise(identity, "s3:PutObject")
    assert (refused.allowed, refused.obstacle) == (False, "session policy")


def test_policy_versions_grow_and_one_is_in_force(store: IdentityStore) -> None:
    policy = store.entities.create(ACCOUNT, "policy", "p", "/", {})
    store.policies.add_version(policy, READS, default=True)
    policy = store.policies.get(f"arn:aws:iam::{ACCOUNT}:policy/p")
    store.policies.add_version(policy, READS, default=False)
    store.policies.delete_version(policy, 2)
    policy = store.policies.get(policy.arn())
    assert store.policies.add_version(policy, READS, default=True).number == 3
    assert store.policies.default_version(policy).number == 3
    with pytest.raises(EntityNotFound):
        store.policies.get(f"arn:aws:iam::{ACCOUNT}:policy/other/p")
