"""Forms of the query protocol: order, gaps, nesting and what cannot be meant.

The forms are those of https://smithy.io/2.0/aws/protocols/aws-query-protocol.html.
"""

from __future__ import annotations

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.wire import Request, parse_request, route

SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20240101/us-east-1/{}/aws4_request, Signature=0"


def _parse(scope: str, form: str, query: str = "") -> dict:
    headers = {
        "authorization": SCOPE.format(scope),
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    request = Request("POST", "/", query, headers, form.encode())
    return parse_request(route(request), request)


def _tags(form: str) -> list[dict]:
    role = "Action=TagRole&Version=2010-05-08&RoleName=r&"
    return _parse("iam", role + form)["Tags"]


def test_lists_are_ordered_by_number_and_may_have_gaps():
    keys = [1, 2, 10, 30]
    form = "&".join(f"Tags.member.{n}.Key=k{n}&Tags.member.{n}.Value=v" for n in reversed(keys))
    assert [tag["Key"] for tag in _tags(form)] == ["k1", "k2", "k10", "k30"]


def test_an_empty_list_can_be_said():
    assert _tags("Tags=") == []


def test_values_are_decoded_and_the_last_of_repeated_ones_counts():
    form = "Tags.member.1.Key=a%20%C3%A9+b&Tags.member.1.Value=x&Tags.member.1.Value=y"
    assert _tags(form) == [{"Key": "a é b", "Value": "y"}]


def test_parameters_may_be_in_the_url():
    form = "Action=GetRole&Version=2010-05-08"
    assert _parse("iam", form, "RoleName=r") == {"RoleName": "r"}


def test_flattened_lists_and_maps():
    form = (
        "Action=SetTopicAttributes&Version=2010-03-31&TopicArn=arn&AttributeName=n&AttributeValue=v"
    )
    assert _parse("sns", form)["AttributeValue"] == "v"
    form = (
        "Action=CreateTopic&Version=2010-03-31&Name=n"
        "&Attributes.entry.1.key=a&Attributes.entry.1.value=b"
    )
    assert _parse("sns", form) == {"Name": "n", "Attributes": {"a": "b"}}
    form = "Action=TerminateInstances&Version=2016-11-15&InstanceId.2=b&InstanceId.1=a"
    assert _parse("ec2", form) == {"InstanceIds": ["a", "b"]}


@pytest.mark.parametrize(
    "form",
    [
        "Tags.member.x.Key=a",
        "Tags.member.1.Key.Deeper=a&Tags.member.1.Value=v",
        "Tags.member.-1.Key=a",
        "Tags.member.1.Key=%FF%",
    ],
)
def test_what_cannot_be_meant_is_malformed_or_refused(form):
    with pytest.raises(ApiError) as caught:
        _tags(form)
    assert caught.value.code in ("MalformedInput", "ValidationError")
