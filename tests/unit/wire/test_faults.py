"""Errors as bytes: what each protocol answers, as AWS's documentation shows it."""

from __future__ import annotations

import json

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.wire import cbor, load
from sagebrush.wire.faults import write_fault

DENIED = ApiError("NoSuchBucket", "The specified bucket does not exist", BucketName="b&b")


def test_json_names_the_type_in_body_and_header():
    error = ApiError("ResourceInUse", "Job <a> exists")
    response = write_fault("json", load("sagemaker"), error, "id-1")
    assert response.status == 400
    assert json.loads(response.body) == {"__type": "ResourceInUse", "Message": "Job <a> exists"}
    assert response.headers["x-amzn-errortype"] == "ResourceInUse"
    assert response.headers["content-type"] == "application/x-amz-json-1.1"
    assert response.headers["x-amzn-requestid"] == "id-1"


def test_rest_json_takes_status_and_members_from_the_model():
    error = ApiError("ModelError", "boom", OriginalStatusCode=500, OriginalMessage="x", Other=1)
    response = write_fault("rest-json", load("sagemaker-runtime"), error, "id-1")
    assert response.status == 424
    assert json.loads(response.body) == {
        "Message": "boom",
        "OriginalStatusCode": 500,
        "OriginalMessage": "x",
    }
    assert response.headers["x-amzn-errortype"] == "ModelError"


def test_query_has_the_code_of_the_error_trait():
    """https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html shows the form."""
    error = ApiError("NoSuchEntityException", "The role <r> cannot be found")
    response = write_fault("query", load("iam"), error, "id-1")
    assert response.status == 404
    assert response.body.decode() == (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error>'
        "<Type>Sender</Type><Code>NoSuchEntity</Code>"
        "<Message>The role &lt;r&gt; cannot be found</Message></Error>"
        "<RequestId>id-1</RequestId></ErrorResponse>"
    )


def test_the_code_can_be_given_instead_of_the_shape():
    response = write_fault("query", load("iam"), ApiError("NoSuchEntity", "x"), "id-1")
    assert response.status == 404


def test_s3_has_no_wrapper():
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html shows the form."""
    response = write_fault("rest-xml", load("s3"), DENIED, "id-1", "/b&b/k")
    assert response.status == 404
    assert response.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchBucket</Code>'
        "<Message>The specified bucket does not exist</Message><BucketName>b&amp;b</BucketName>"
        "<Resource>/b&amp;b/k</Resource><RequestId>id-1</RequestId>"
        "<HostId>sagebrush/id-1</HostId></Error>"
    )
    assert response.headers["x-amz-request-id"] == "id-1"


def test_ec2_has_its_own_wrapper():
    response = write_fault("ec2", load("ec2"), ApiError("InvalidVpcID.NotFound", "no"), "id-1")
    assert response.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
        "<Code>InvalidVpcID.NotFound</Code><Message>no</Message></Error></Errors>"
        "<RequestID>id-1</RequestID></Response>"
    )


def test_cbor_writes_a_map():
    error = ApiError("InvalidParameterValueException", "no")
    response = write_fault("smithy-rpc-v2-cbor", load("cloudwatch"), error, "id-1")
    body = cbor.decode(response.body)
    assert body == {"__type": "InvalidParameterValueException", "message": "no"}
    assert response.headers["smithy-protocol"] == "rpc-v2-cbor"


@pytest.mark.parametrize("protocol", ["json", "smithy-rpc-v2-cbor"])
def test_services_that_left_query_keep_its_code_in_a_header(protocol):
    error = ApiError("InvalidParameterValueException", "no")
    response = write_fault(protocol, load("cloudwatch"), error, "id-1")
    assert response.headers["x-amzn-query-error"] == "InvalidParameterValue;Sender"


@pytest.mark.parametrize(
    ("service", "error", "status"),
    [
        ("sagemaker", ApiError("InternalFailure", "x"), 500),
        ("sagemaker", ApiError("Whatever", "x"), 400),
        ("sagemaker", ApiError("Whatever", "x", status=503), 503),
        ("kms", ApiError("KMSInternalException", "x"), 500),
        (None, ApiError("UnknownOperationException", "x", status=404), 404),
    ],
)
def test_statuses(service, error, status):
    model = None if service is None else load(service)
    assert write_fault("json", model, error, "id-1").status == status
