"""AWS's wording for what is wrong with a request, per protocol and service.

The sentences are those that AWS's services answer, as quoted in their documentation and in public
bug reports (`1 validation error detected: Value '...' at '...' failed to satisfy constraint: ...`).
"""

from __future__ import annotations

import json

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.wire import Request, parse_request, route

SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20240101/us-east-1/{}/aws4_request, Signature=0"


def _refused(request: Request) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse_request(route(request), request)
    return caught.value


def _sagemaker(operation: str, body: object) -> ApiError:
    headers = {"authorization": SCOPE.format("sagemaker"), "x-amz-target": f"SageMaker.{operation}"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _refused(Request("POST", "/", "", headers, content))


ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/m"
PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        (
            "DescribeTrainingJob",
            {},
            (
                "1 validation error detected: Value null at 'trainingJobName' failed to satisfy"
                " constraint: Member must not be null"
            ),
        ),
        (
            "DescribeTrainingJob",
            {"TrainingJobName": "a_b"},
            (
                "1 validation error detected: Value 'a_b' at 'trainingJobName' failed to satisfy"
                f" constraint: {PATTERN}"
            ),
        ),
        (
            "DescribeTrainingJob",
            {"TrainingJobName": "a" * 64},
            (
                f"1 validation error detected: Value '{'a' * 64}' at 'trainingJobName' failed to"
                " satisfy constraint: Member must have length less than or equal to 63"
            ),
        ),
        (
            "ListTrainingJobs",
            {"MaxResults": 0, "SortOrder": "Up"},
            (
                "2 validation errors detected: Value '0' at 'maxResults' failed to satisfy"
                " constraint: Member must have value greater than or equal to 1; Value 'Up' at"
                " 'sortOrder' failed to satisfy constraint: Member must satisfy enum value set:"
                " [Ascending, Descending]"
            ),
        ),
        (
            "AddTags",
            {"ResourceArn": ARN, "Tags": [{"Key": "a"}, {"Key": "b"}]},
            (
                "2 validation errors detected: Value null at 'tags.1.member.value' failed to"
                " satisfy constraint: Member must not be null; Value null at 'tags.2.member.value'"
                " failed to satisfy constraint: Member must not be null"
            ),
        ),
        (
            "DeleteTags",
            {"ResourceArn": ARN, "TagKeys": []},
            (
                "1 validation error detected: Value '[]' at 'tagKeys' failed to satisfy constraint:"
                " Member must have length greater than or equal to 1"
            ),
        ),
        (
            "DeleteTags",
            {"ResourceArn": ARN, "TagKeys": ["ok", ""]},
            (
                "1 validation error detected: Value '[ok, ]' at 'tagKeys' failed to satisfy"
                " constraint: Member must satisfy constraint: [Member must have length less than or"
                " equal to 128, Member must have length greater than or equal to 1, Member must"
                r" satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)]"
            ),
        ),
    ],
)
def test_broken_constraints_of_sagemaker(operation, body, message):
    error = _sagemaker(operation, body)
    assert (error.code, error.message, error.status) == ("ValidationException", message, 400)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", None),
        (b"[]", "Unexpected field type: a structure is needed"),
        ({"MaxResults": "5"}, "STRING_VALUE can not be converted to an Integer"),
        ({"MaxResults": 2**31}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"MaxResults": True}, "TRUE_VALUE can not be converted to an Integer"),
        ({"NameContains": 5}, "NUMBER_VALUE can not be converted to a String"),
        ({"CreationTimeAfter": "x"}, "STRING_VALUE can not be converted to a Timestamp"),
        # A wrong type is reported alone: constraints are checked only on what could be read.
        ({"NameContains": [], "MaxResults": 0}, "START_ARRAY can not be converted to a String"),
    ],
)
def test_wrong_types_are_serialization_errors(body, message):
    error = _sagemaker("ListTrainingJobs", body)
    assert (error.code, error.status) == ("SerializationException", 400)
    assert message in (None, error.message)


def test_members_that_are_null_or_unknown_count_as_absent():
    headers = {"x-amz-target": "SageMaker.ListTrainingJobs"}
    request = Request("POST", "/", "", headers, b'{"MaxResults": null, "Newer": 5}')
    assert parse_request(route(request), request) == {}


def test_structures_are_printed_by_name_and_their_contents_not_at_all():
    tags = [{"Key": "k", "Value": "hush"}] * 51
    error = _sagemaker("AddTags", {"ResourceArn": ARN, "Tags": tags})
    assert error.message == (
        f"1 validation error detected: Value '[{', '.join(['Tag'] * 51)}]' at 'tags' failed to"
        " satisfy constraint: Member must have length less than or equal to 50"
    )


def test_sensitive_values_are_not_repeated():
    request = Request(
        "POST",
        "/",
        "",
        {
            "authorization": SCOPE.format("secretsmanager"),
            "x-amz-target": "secretsmanager.CreateSecret",
        },
        json.dumps({"Name": "n", "SecretString": "hush" * 20_000}).encode(),
    )
    assert "hush" not in _refused(request).message


def _form(scope: str, body: str) -> ApiError:
    headers = {
        "authorization": SCOPE.format(scope),
        "content-type": "application/x-www-form-urlencoded",
    }
    return _refused(Request("POST", "/", "", headers, body.encode()))


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/endpoints/a_b/invocations", "sagemaker"),
        ("/model/!/invoke-with-bidirectional-stream", "bedrock"),
    ],
)
def test_a_raw_payload_is_not_looked_into(path, scope):
    request = Request("POST", path, "", {"authorization": SCOPE.format(scope)}, object())
    error = _refused(request)
    assert error.message.startswith("1 validation error detected: Value ")
    assert "regular expression pattern" in error.message


def test_query_services_answer_validation_error():
    error = _form("iam", "Action=GetRole&Version=2010-05-08")
    assert error.code == "ValidationError"
    assert error.message == (
        "1 validation error detected: Value null at 'roleName' failed to satisfy constraint:"
        " Member must not be null"
    )
    assert _form("iam", "Action=ListRoles&Version=2010-05-08&MaxItems=x").code == "MalformedInput"


def test_ec2_names_the_missing_parameter():
    error = _form("ec2", "Action=TerminateInstances&Version=2016-11-15")
    assert error.code == "MissingParameter"
    assert error.message == "The request must contain the parameter InstanceId"


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "code"),
    [
        ("GET", "/b?max-keys=abc", {}, b"", "InvalidArgument"),
        ("GET", "/b?encoding-type=x", {}, b"", "InvalidArgument"),
        ("PUT", "/b/k", {"x-amz-storage-class": "COLD"}, b"", "InvalidStorageClass"),
        ("PUT", "/b/k", {"x-amz-acl": "mine"}, b"", "InvalidArgument"),
        ("POST", "/b?delete", {}, b"<Delete>", "MalformedXML"),
        ("POST", "/b?delete", {}, b"<Delete><Object></Object></Delete>", "MalformedXML"),
        ("PUT", "/b?versioning", {}, b"", "MissingRequestBodyError"),
        (
            "PUT",
            "/b",
            {},
            b"<C><LocationConstraint>moon</LocationConstraint></C>",
            "InvalidLocationConstraint",
        ),
    ],
)
def test_s3_has_codes_of_its_own(method, target, headers, body, code):
    path, _, query = target.partition("?")
    assert (
        _refused(Request(method, path, query, {"host": "localhost", **headers}, body)).code == code
    )


@pytest.mark.parametrize(
    ("service", "target", "body", "code"),
    [
        ("logs", "Logs_20140328.CreateLogGroup", {}, "InvalidParameterException"),
        ("kms", "TrentService.DescribeKey", {}, "ValidationException"),
        ("firehose", "Firehose_20150804.DeleteDeliveryStream", {}, "InvalidArgumentException"),
        (
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.CreateRepository",
            {"repositoryName": "A"},
            "InvalidParameterException",
        ),
    ],
)
def test_services_with_another_code(service, target, body, code):
    headers = {"authorization": SCOPE.format(service), "x-amz-target": target}
    error = _refused(Request("POST", "/", "", headers, json.dumps(body).encode()))
    assert error.code == code
