"""XML bytes: responses as AWS documents them, and what is refused in requests."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.wire import Request, load, parse_request, serialise_response
from sagebrush.wire.routing import Route, route
from sagebrush.wire.xml import XmlError, escape, parse_xml


def _response(service: str, operation: str, protocol: str, result: dict) -> str:
    model = load(service)
    found = Route(
        protocol,
        "GET",
        "/",
        service_model=model,
        operation_or_none=model.operations[operation],
    )
    return serialise_response(found, result, "id-1").body.decode()


def test_listed_buckets_as_s3_documents_them():
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html"""
    result = {"Buckets": [{"Name": "b", "CreationDate": 1.5}], "Owner": {"ID": "o"}, "Prefix": None}
    assert _response("s3", "ListBuckets", "rest-xml", result) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets><Bucket>'
        "<Name>b</Name><CreationDate>1970-01-01T00:00:01.500Z</CreationDate></Bucket></Buckets>"
        "<Owner><ID>o</ID></Owner></ListAllMyBucketsResult>"
    )


@pytest.mark.parametrize(("constraint", "text"), [("eu-west-1", "eu-west-1"), (None, "")])
def test_the_location_is_the_root_itself(constraint, text):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html"""
    body = _response("s3", "GetBucketLocation", "rest-xml", {"LocationConstraint": constraint})
    assert body.endswith(
        f'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{text}'
        "</LocationConstraint>"
    )


def test_grantees_have_their_type_as_attribute():
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "x"}, "Permission": "READ"}
    body = _response("s3", "GetBucketAcl", "rest-xml", {"Grants": [grant]})
    assert (
        '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">'
        in body
    )


def test_an_assumed_role_as_sts_documents_it():
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
    body = _response("sts", "AssumeRole", "query", {"PackedPolicySize": 6, "Nothing": 1})
    assert body == (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        "<PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>"
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )


def test_ec2_responses_have_the_request_id_first():
    body = _response("ec2", "DescribeVpcs", "ec2", {"Vpcs": [{"VpcId": "vpc-1"}]})
    assert body.endswith(
        "<requestId>id-1</requestId><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>"
        "</DescribeVpcsResponse>"
    )


def _parse_delete(body: bytes) -> dict:
    request = Request("POST", "/b", "delete", {"host": "localhost"}, body)
    return parse_request(route(request), request)


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete><Object><Key>k</Key></Object><Quiet>true</Quiet></Delete>",
        (
            b'<?xml version="1.0"?>\n<s:Delete xmlns:s="x"> <s:Object>\n<s:Key>k</s:Key></s:Object>'
            b"<s:Quiet>TRUE</s:Quiet><Unknown/></s:Delete>"
        ),
    ],
)
def test_prefixes_white_space_and_unknown_elements_do_not_matter(body):
    assert _parse_delete(body)["Delete"] == {"Objects": [{"Key": "k"}], "Quiet": True}


def test_document_types_are_refused_before_their_entities_cost_anything():
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "x">{entities}]><a>&e11;</a>'.encode()
    started = time.process_time()
    with pytest.raises(XmlError, match="document type"):
        parse_xml(bomb)
    assert time.process_time() - started < 1


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_escaped_text_is_read_back(text):
    readable = "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    document = f'<a b="{escape(readable)}">{escape(readable)}</a>'
    root = ET.fromstring(document.encode())
    assert (root.text or "") == readable
    assert parse_xml(document.encode()).text == root.text
