"""Which service and operation a request is for."""

from __future__ import annotations

import pytest

from sagebrush.wire import Request, Router, RoutingError, catalogue, needs_body, route
from sagebrush.wire.hosts import bucket_of, host_name, region_of
from sagebrush.wire.paths import PathMatcher
from sagebrush.wire.scope import Scope, scope_of

SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20240101/eu-west-1/{}/aws4_request, Signature=0"


def _request(method: str, target: str, scope: str | None, host: str = "localhost", **headers: str):
    path, _, query = target.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if scope:
        named["authorization"] = SCOPE.format(scope)
    return Request(method, path, query, {"host": host, **named})


@pytest.mark.parametrize(
    ("method", "target", "headers", "operation"),
    [
        ("GET", "/", {}, "ListBuckets"),
        ("GET", "/b", {}, "ListObjects"),
        ("GET", "/b/", {}, "ListObjects"),
        ("GET", "/b?list-type=2", {}, "ListObjectsV2"),
        ("GET", "/b?list-type=1", {}, "ListObjects"),
        ("GET", "/b?uploads", {}, "ListMultipartUploads"),
        ("GET", "/b?uploads=", {}, "ListMultipartUploads"),
        ("GET", "/b?versions&prefix=x", {}, "ListObjectVersions"),
        ("GET", "/b?location", {}, "GetBucketLocation"),
        ("GET", "/b?lifecycle", {}, "GetBucketLifecycleConfiguration"),
        ("GET", "/b?analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("GET", "/b?analytics&id=x", {}, "GetBucketAnalyticsConfiguration"),
        ("PUT", "/b", {}, "CreateBucket"),
        ("PUT", "/b?lifecycle", {}, "PutBucketLifecycleConfiguration"),
        ("HEAD", "/b", {}, "HeadBucket"),
        ("DELETE", "/b", {}, "DeleteBucket"),
        ("POST", "/b?delete", {}, "DeleteObjects"),
        ("POST", "/b", {"content_type": "multipart/form-data; boundary=x"}, "PostObject"),
        ("OPTIONS", "/b/k", {}, "OptionsObject"),
        ("GET", "/b/k", {}, "GetObject"),
        ("GET", "/b/k/", {}, "GetObject"),
        ("GET", "/b//", {}, "GetObject"),
        ("GET", "/b/k?versionId=1&x-id=GetObject", {}, "GetObject"),
        ("GET", "/b/k?partNumber=1", {}, "GetObject"),
        ("GET", "/b/k?uploadId=1", {}, "ListParts"),
        ("GET", "/b/k?tagging", {}, "GetObjectTagging"),
        ("GET", "/b/k?attributes", {"x_amz_object_attributes": "ETag"}, "GetObjectAttributes"),
        ("PUT", "/b/k", {}, "PutObject"),
        ("PUT", "/b/k", {"x_amz_copy_source": "a/b"}, "CopyObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=2", {}, "UploadPart"),
        ("PUT", "/b/k?partNumber=1&uploadId=2", {"x_amz_copy_source": "a/b"}, "UploadPartCopy"),
        ("PUT", "/b/k?acl", {}, "PutObjectAcl"),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=2", {}, "CompleteMultipartUpload"),
        ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent"),
        ("DELETE", "/b/k?uploadId=2", {}, "AbortMultipartUpload"),
        ("DELETE", "/b/k", {}, "DeleteObject"),
    ],
)
@pytest.mark.parametrize("scope", ["s3", None])
def test_s3_operations(method, target, headers, operation, scope):
    found = route(_request(method, target, scope, **headers))
    assert (found.service, found.operation, found.protocol) == ("s3", operation, "rest-xml")


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("/b/a%20b+c", {"Bucket": "b", "Key": "a b+c"}),
        ("/b//a//b/", {"Bucket": "b", "Key": "/a//b/"}),
        ("/b/%2Fa%C3%A9", {"Bucket": "b", "Key": "/aé"}),
        ("/b/../c", {"Bucket": "b", "Key": "../c"}),
    ],
)
def test_keys_are_taken_literally(path, labels):
    assert route(_request("GET", path, "s3")).labels == labels


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("bucket.s3.eu-west-1.amazonaws.com", "bucket"),
        ("bucket.s3-eu-west-1.amazonaws.com", "bucket"),
        ("bucket.s3.amazonaws.com", "bucket"),
        ("bucket.s3.dualstack.eu-west-1.amazonaws.com", "bucket"),
        ("bucket.s3.cn-north-1.amazonaws.com.cn", "bucket"),
        ("my.dotted.s3.bucket.s3.amazonaws.com", "my.dotted.s3.bucket"),
        ("bucket.s3-accelerate.amazonaws.com", "bucket"),
        ("bucket.s3.localhost", "bucket"),
        ("bucket.localhost", "bucket"),
        ("s3.eu-west-1.amazonaws.com", None),
        ("s3-eu-west-1.amazonaws.com", None),
        ("s3.localhost", None),
        ("localhost", None),
        ("127.0.0.1", None),
    ],
)
def test_buckets_in_host_names(host, bucket):
    assert bucket_of(host) == bucket
    found = route(_request("GET", "/k", "s3", host=f"{host}:4566"))
    assert found.bucket_in_host == bucket
    assert found.operation == ("GetObject" if bucket else "ListObjects")


def test_hosts_lose_port_and_case():
    assert host_name("Bucket.S3.localhost:4566") == "bucket.s3.localhost"
    assert host_name("[::1]:4566") == "[::1]"
    assert region_of("bucket.s3.us-gov-west-1.amazonaws.com") == "us-gov-west-1"
    assert region_of("localhost") is None


@pytest.mark.parametrize(
    ("request_", "service", "operation", "protocol"),
    [
        (
            _request("POST", "/", "sagemaker", x_amz_target="SageMaker.ListModels"),
            "sagemaker",
            "ListModels",
            "json",
        ),
        (
            _request("POST", "/endpoints/e/invocations", "sagemaker"),
            "sagemaker-runtime",
            "InvokeEndpoint",
            "rest-json",
        ),
        (
            _request("POST", "/", "timestream", x_amz_target="Timestream_20181101.Query"),
            "timestream-query",
            "Query",
            "json",
        ),
        (
            _request("GET", "/v20180820/jobs", "s3", x_amz_account_id="1"),
            "s3control",
            "ListJobs",
            "rest-xml",
        ),
        (
            _request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "sts"),
            "sts",
            "GetCallerIdentity",
            "query",
        ),
        (
            _request("GET", "/2020-05-31/distribution", "cloudfront"),
            "cloudfront",
            "ListDistributions",
            "rest-xml",
        ),
        (
            _request(
                "POST",
                "/service/GraniteServiceVersion20100801/operation/ListMetrics",
                "monitoring",
                smithy_protocol="rpc-v2-cbor",
            ),
            "cloudwatch",
            "ListMetrics",
            "smithy-rpc-v2-cbor",
        ),
        (
            _request(
                "POST", "/", "monitoring", x_amz_target="GraniteServiceVersion20100801.ListMetrics"
            ),
            "cloudwatch",
            "ListMetrics",
            "json",
        ),
    ],
)
def test_each_kind_of_evidence(request_, service, operation, protocol):
    found = route(request_)
    assert (found.service, found.operation, found.protocol) == (service, operation, protocol)
    assert (found.access_key, found.region) == ("AKID", "eu-west-1")


@pytest.mark.parametrize("scope", ["sts", None])
def test_forms_name_their_operation_in_the_body(scope):
    request = _request("POST", "/", scope, content_type="application/x-www-form-urlencoded")
    assert needs_body(request)
    request.body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
    found = route(request)
    assert (found.service, found.operation) == ("sts", "AssumeRoleWithWebIdentity")


def test_services_with_one_version_are_preferred_as_told():
    request = _request("POST", "/", "rds", content_type="application/x-www-form-urlencoded")
    request.body = b"Action=DescribeDBClusters&Version=2014-10-31"
    assert route(request).service == "rds"
    assert Router(catalogue(), frozenset({"neptune"})).route(request).service == "neptune"


@pytest.mark.parametrize(
    ("request_", "protocol", "code", "status"),
    [
        (
            _request("POST", "/", "sagemaker", x_amz_target="SageMaker.Nothing"),
            "json",
            "UnknownOperationException",
            400,
        ),
        (_request("POST", "/nothing", "lambda"), "rest-json", "UnknownOperationException", 404),
        (_request("PATCH", "/b", "s3"), "rest-xml", "MethodNotAllowed", 405),
        (_request("GET", "/b/%FF", "s3"), "rest-xml", "InvalidURI", 400),
        (_request("GET", "/?Action=Nothing&Version=x", "iam"), "query", "InvalidAction", 400),
        (_request("GET", "/x", "nobody"), "rest-json", "UnknownOperationException", 404),
    ],
)
def test_what_fits_nothing_is_refused_in_the_services_protocol(request_, protocol, code, status):
    with pytest.raises(RoutingError) as caught:
        route(request_)
    assert caught.value.route.protocol == protocol
    assert (caught.value.code, caught.value.status) == (code, status)


@pytest.mark.parametrize(
    ("authorization", "query", "scope"),
    [
        (SCOPE.format("s3"), "", Scope("AKID", "eu-west-1", "s3")),
        ("AWS4-ECDSA-P256-SHA256 Credential=A/2024/s3/aws4_request,", "", Scope("A", None, "s3")),
        ("AWS AKID:sig", "", Scope("AKID", None, "s3")),
        (None, "a=1&X-Amz-Credential=A%2Fd%2Fr%2Fs%2Faws4_request&b=2", Scope("A", "r", "s")),
        (None, "X-Amz-Credential=A/d/r/s/aws4_request", Scope("A", "r", "s")),
        (None, "NotX-Amz-Credential=A/d/r/s/aws4_request", Scope()),
        (None, "AWSAccessKeyId=A&Signature=x", Scope("A", None, "s3")),
        ("Bearer x", "", Scope()),
        (None, "", Scope()),
    ],
)
def test_scopes(authorization, query, scope):
    assert scope_of(authorization, query) == scope


def test_a_label_with_a_tail_leaves_the_tail_to_the_template():
    matcher = PathMatcher.of(catalogue().load("workspaces-web"))
    arn = "arn%3Aaws%3Aworkspaces-web%3A%3A1%3Aportal%2Fx"
    operation, labels = matcher.match("PUT", f"/portals/{arn}/browserSettings", "", {})
    assert operation.name == "AssociateBrowserSettings"
    assert labels == {"portalArn": "arn:aws:workspaces-web::1:portal/x"}


@pytest.mark.parametrize(
    ("scope", "headers", "named"),
    [
        ("nosuch", {}, "nosuch"),
        ("sagemaker", {"x_amz_target": "SageMaker.Fly"}, "sagemaker"),
        ("lambda", {}, "lambda"),
    ],
)
def test_what_is_unknown_is_refused_by_the_name_of_its_service(scope, headers, named):
    with pytest.raises(RoutingError, match=f"of the service {named} is known for "):
        route(_request("POST", "/fly", scope, **headers))


def test_a_path_is_remembered_with_everything_that_decided():
    router = Router(catalogue())
    path = "/endpoints/e%20x/invocations"
    for _ in range(2):
        found = router.route(_request("POST", path, "sagemaker", content_type="text/csv"))
        found.labels["EndpointName"] = "changed by whoever got it"
    again = router.route(_request("POST", path, "sagemaker", content_type="text/csv"))
    assert (again.service, again.operation) == ("sagemaker-runtime", "InvokeEndpoint")
    assert again.labels == {"EndpointName": "e x"}
    assert again.region == "eu-west-1"
    elsewhere = _request("POST", path, "sagemaker")
    elsewhere.headers["authorization"] = SCOPE.replace("eu-west-1", "us-east-1").format("sagemaker")
    assert router.route(elsewhere).region == "us-east-1"
    assert router.route(_request("POST", path, "s3")).service == "s3"
    with pytest.raises(RoutingError):
        router.route(_request("GET", path, "sagemaker"))


def test_headers_and_forms_go_on_deciding_where_they_do():
    router = Router(catalogue())
    for _ in range(2):
        plain = router.route(_request("GET", "/b/k", "s3"))
        assert plain.operation == "GetObject"
        copied = router.route(_request("PUT", "/b/k", "s3", x_amz_copy_source="b/other"))
        assert copied.operation == "CopyObject"
        assert router.route(_request("PUT", "/b/k", "s3")).operation == "PutObject"
