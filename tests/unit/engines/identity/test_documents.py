"""Policy documents: what is refused, in AWS's words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.engines.identity import PolicyDocument, PolicyMalformed
from sagebrush.engines.identity.provided import MANAGED_POLICIES, SAGEMAKER_TRUST

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def refusal(statement: Any, **more: Any) -> str:
    text = json.dumps({"Version": "2012-10-17", "Statement": statement} | more)
    with pytest.raises(PolicyMalformed) as caught:
        PolicyDocument.identity(text)
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"Statement": []}', '{"X": 1}'])
def test_text_that_is_no_policy(text: str) -> None:
    with pytest.raises(PolicyMalformed):
        PolicyDocument.identity(text)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (ALLOW | {"Effect": "allow"}, "Syntax errors in policy."),
        (ALLOW | {"Extra": 1}, "Syntax errors in policy."),
        (ALLOW | {"NotAction": "s3:*"}, "Syntax errors in policy."),
        ({"Effect": "Allow", "Resource": "*"}, "Policy statement must contain actions."),
        ({"Effect": "Allow", "Action": "s3:*"}, "Policy statement must contain resources."),
        (
            ALLOW | {"Action": "GetObject"},
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (ALLOW | {"Action": "s 3:Get"}, "Vendor s 3 is not valid"),
        (ALLOW | {"Resource": "bucket"}, 'Resource bucket must be in ARN format or "*".'),
        (ALLOW | {"Principal": "*"}, "Policy document should not specify a principal."),
        (
            [ALLOW | {"Sid": "a"}, ALLOW | {"Sid": "a"}],
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (ALLOW | {"Condition": {"Equals": {"a": "b"}}}, "Invalid Condition type : Equals."),
        (ALLOW | {"Condition": {"ForSome:Bool": {"a": "b"}}}, "Invalid Condition type"),
    ],
)
def test_what_the_grammar_forbids(statement: Any, message: str) -> None:
    assert refusal(statement).startswith(message)


def test_versions() -> None:
    assert refusal(ALLOW, Version="2020-01-01") == "The policy must contain a valid version string."
    old = json.dumps({"Version": "2008-10-17", "Statement": ALLOW})
    with pytest.raises(PolicyMalformed, match="must be version 2012-10-17"):
        PolicyDocument.identity(old)
    PolicyDocument.resource(json.dumps({"Statement": ALLOW | {"Principal": "*"}}))


def test_trust_policies_name_a_principal_and_no_resource() -> None:
    PolicyDocument.trust(SAGEMAKER_TRUST)
    trust = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    with pytest.raises(PolicyMalformed, match="prohibited field Resource"):
        PolicyDocument.trust(json.dumps({"Statement": trust | {"Resource": "*"}}))
    with pytest.raises(PolicyMalformed, match="Principal"):
        PolicyDocument.trust(json.dumps({"Statement": {"Effect": "Allow", "Action": "sts:*"}}))


@pytest.mark.parametrize("arn", MANAGED_POLICIES)
def test_every_provided_policy_is_valid(arn: str) -> None:
    assert PolicyDocument.identity(MANAGED_POLICIES[arn][2]).statements


@given(key=st.sampled_from([*ALLOW, "Sid", "NotAction", "Condition", "Principal"]), value=JSON)
def test_no_value_of_any_member_breaks_the_parser(key: str, value: Any) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": ALLOW | {key: value}})
    for parse in (PolicyDocument.identity, PolicyDocument.trust, PolicyDocument.resource):
        with suppress(PolicyMalformed):
            assert parse(text).statements
