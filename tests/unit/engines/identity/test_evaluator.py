"""Policy evaluation: the cases of AWS's documented logic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.engines.identity import AccessRequest, NamedPolicy, PolicyDocument
from sagebrush.engines.identity.conditions import wildcard
from sagebrush.engines.identity.evaluator import PolicySet, decide, trusts

OBJECT = "arn:aws:s3:::data/users/bob/file"


def statement(effect: str = "Allow", action: Any = "s3:*", **more: Any) -> dict[str, Any]:
    given = {"Effect": effect, "Action": action, "Resource": "*"} | more
    return {key: value for key, value in given.items() if value is not None}


def policy(*statements: dict[str, Any]) -> NamedPolicy:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return NamedPolicy("p", "IAM Policy", PolicyDocument.identity(text))


def resource_policy(*statements: dict[str, Any]) -> NamedPolicy:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return NamedPolicy("r", "Resource Policy", PolicyDocument.resource(text))


def effect(
    *statements: dict[str, Any],
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    **context: list[str],
) -> str:
    keys = {name.replace("__", ":").lower(): values for name, values in context.items()}
    request = AccessRequest(action, resource, keys, "arn:aws:iam::1:user/bob")
    return decide(PolicySet(identity=[policy(*statements)]), request).effect


def test_nothing_allows_by_itself() -> None:
    assert decide(PolicySet(), AccessRequest("s3:GetObject")).effect == "implicitDeny"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (statement(action="s3:GetObject"), "allowed"),
        (statement(action="S3:getobject"), "allowed"),
        (statement(action=["s3:Put*", "s3:Get*"]), "allowed"),
        (statement(action="s3:Get?bject"), "allowed"),
        (statement(action="*"), "allowed"),
        (statement(action="s3:GetObjectAcl"), "implicitDeny"),
        (statement(action=None, NotAction="s3:Put*"), "allowed"),
        (statement(action=None, NotAction="s3:Get*"), "implicitDeny"),
        (statement(Resource="arn:aws:s3:::data/*"), "allowed"),
        (statement(Resource="arn:aws:s3:::DATA/*"), "implicitDeny"),
        (statement(Resource=["arn:aws:s3:::x", "arn:aws:s3:::data/*/bob/*"]), "allowed"),
        (statement(Resource=None, NotResource="arn:aws:s3:::other/*"), "allowed"),
        (statement(Resource=None, NotResource="arn:aws:s3:::data/*"), "implicitDeny"),
    ],
)
def test_actions_and_resources(given: dict[str, Any], expected: str) -> None:
    assert effect(given) == expected


def test_a_deny_wins_wherever_it_stands() -> None:
    deny = statement("Deny", "s3:GetObject")
    assert effect(statement(), deny) == "explicitDeny"
    assert effect(deny, statement()) == "explicitDeny"
    assert effect(statement(), deny, action="s3:PutObject") == "allowed"


def test_variables_stand_for_context_values() -> None:
    own = statement(Resource="arn:aws:s3:::data/users/${aws:username}/*")
    assert effect(own, aws__username=["bob"]) == "allowed"
    assert effect(own, aws__username=["eve"]) == "implicitDeny"
    assert effect(own) == "implicitDeny"
    defaulted = statement(Resource="arn:aws:s3:::data/users/${aws:username, 'bob'}/*")
    assert effect(defaulted) == "allowed"


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "holds"),
    [
        ("StringEquals", "a", ["a"], True),
        ("StringEquals", ["b", "a"], ["a"], True),
        ("StringEquals", "a", [], False),
        ("StringEqualsIfExists", "a", [], True),
        ("StringNotEquals", ["a", "b"], ["a"], False),
        ("StringNotEquals", "a", [], True),
        ("StringEqualsIgnoreCase", "A", ["a"], True),
        ("StringLike", "a*c?", ["abbcd"], True),
        ("StringNotLike", "a*", ["b"], True),
        ("NumericLessThan", "10", ["9"], True),
        ("NumericLessThan", 10, ["10"], False),
        ("NumericGreaterThanEquals", "10", ["ten"], False),
        ("DateLessThan", "2030-01-01T00:00:00Z", ["2029-12-31T23:59:59Z"], True),
        ("DateGreaterThan", "2030-01-01T00:00:00Z", ["0"], False),
        ("Bool", "true", ["True"], True),
        ("Bool", True, ["false"], False),
        ("IpAddress", "10.0.0.0/8", ["10.1.2.3"], True),
        ("NotIpAddress", "10.0.0.0/8", ["10.1.2.3"], False),
        ("ArnLike", "arn:aws:sns:*:1:*", ["arn:aws:sns:us-east-1:1:t"], True),
        ("ArnEquals", "arn:aws:sns:*:1:t", ["arn:aws:sns:us-east-1:2:t"], False),
        ("Null", "true", [], True),
        ("Null", "false", [], False),
        ("Null", "false", ["x"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", "a", [], True),
        ("ForAnyValue:StringEquals", "a", ["b", "a"], True),
        ("ForAnyValue:StringEquals", "a", ["b"], False),
        ("ForAnyValue:StringEquals", "a", [], False),
    ],
)
def test_conditions(operator: str, wanted: Any, given: list[str], holds: bool) -> None:
    conditional = statement(Condition={operator: {"aws:Key": wanted}})
    context = {"aws__key": given} if given else {}
    assert effect(conditional, **context) == ("allowed" if holds else "implicitDeny")


def test_all_conditions_must_hold_and_missing_keys_are_named() -> None:
    conditions = {"StringEquals": {"aws:A": "1", "aws:B": "2"}}
    request = AccessRequest("s3:GetObject", OBJECT, {"aws:a": ["1"]})
    decision = decide(PolicySet(identity=[policy(statement(Condition=conditions))]), request)
    assert decision.effect == "implicitDeny"
    assert decision.missing_keys == ("aws:b",)


def test_boundary_and_session_policies_only_take_away() -> None:
    request = AccessRequest("s3:GetObject", OBJECT)
    reads, writes = policy(statement(action="s3:Get*")), policy(statement(action="s3:Put*"))
    assert decide(PolicySet([reads], boundary=[reads]), request).allowed
    bounded = decide(PolicySet([reads], boundary=[writes]), request)
    assert (bounded.effect, bounded.obstacle) == ("implicitDeny", "permissions boundary")
    assert not decide(PolicySet([reads], session=[writes]), request).allowed
    assert not decide(PolicySet([writes], boundary=[reads], session=[reads]), request).allowed


def test_a_resource_policy_allows_those_it_names() -> None:
    def allowed(principal: Any, who: str) -> bool:
        given = resource_policy(statement(Principal=principal))
        return decide(PolicySet(resource=[given]), AccessRequest("s3:Get", "x", {}, who)).allowed

    bob, session = "arn:aws:iam::1:user/bob", "arn:aws:sts::1:assumed-role/r/me"
    assert allowed("*", bob)
    assert allowed({"AWS": bob}, bob)
    assert allowed({"AWS": "1"}, bob)
    assert allowed({"AWS": ["x", "arn:aws:iam::1:root"]}, bob)
    assert not allowed({"AWS": "arn:aws:iam::2:root"}, bob)
    assert allowed({"AWS": "arn:aws:iam::1:role/path/r"}, session)
    assert not allowed({"AWS": "arn:aws:iam::1:role/other"}, session)
    assert allowed({"Service": "sagemaker.amazonaws.com"}, "sagemaker.amazonaws.com")


def test_trust_through_the_account_can_be_left_out() -> None:
    text = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::1:root"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )
    document = PolicyDocument.trust(text)
    who = "arn:aws:iam::1:user/bob"
    assert trusts(document, AccessRequest("sts:AssumeRole", "r", {}, who))
    direct = AccessRequest("sts:AssumeRole", "r", {}, who, through_account=False)
    assert not trusts(document, direct)


def test_explanations_are_awss() -> None:
    request = AccessRequest("s3:GetObject", OBJECT, {}, "arn:aws:iam::1:user/bob")
    silent = decide(PolicySet(), request).explanation(request)
    assert silent == (
        "User: arn:aws:iam::1:user/bob is not authorized to perform: s3:GetObject on resource:"
        f" {OBJECT} because no identity-based policy allows the s3:GetObject action"
    )
    denied = decide(PolicySet([policy(statement("Deny"))]), request).explanation(request)
    assert denied.endswith("with an explicit deny in an identity-based policy")


def test_many_wildcards_take_no_exponential_time() -> None:
    pattern = wildcard("a*" * 60 + "b")
    assert pattern.fullmatch("a" * 3000) is None
    assert pattern.fullmatch("a" * 3000 + "b") is not None
