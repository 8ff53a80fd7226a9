"""Deleting, versions, delete markers, object lock."""

from __future__ import annotations

from .conftest import S3


def test_delete_is_quiet_about_missing_keys(s3: S3) -> None:
    s3.put("key")
    assert s3("DeleteObject", Bucket="bucket", Key="key") == {}
    assert s3("DeleteObject", Bucket="bucket", Key="key") == {}
    s3.refused("NoSuchKey", "GetObject", Bucket="bucket", Key="key")


def test_delete_marker_and_back(s3: S3) -> None:
    s3.version("Enabled")
    version = s3.put("key")["VersionId"]
    marker = s3("DeleteObject", Bucket="bucket", Key="key")
    assert marker["DeleteMarker"] is True
    error = s3.refused("NoSuchKey", "GetObject", Bucket="bucket", Key="key")
    assert error.members["x-amz-delete-marker"] == "true"
    assert s3.get("key", VersionId=version) == b"data"
    error = s3.refused(
        "MethodNotAllowed", "HeadObject", Bucket="bucket", Key="key", VersionId=marker["VersionId"]
    )
    assert error.status == 405
    s3("DeleteObject", Bucket="bucket", Key="key", VersionId=marker["VersionId"])
    assert s3.get("key") == b"data"
    s3.refused("NoSuchVersion", "GetObject", Bucket="bucket", Key="key", VersionId="none")


def test_delete_objects_answers_each(s3: S3) -> None:
    etag = s3.put("a")["ETag"]
    s3.put("b")
    targets = [{"Key": "a", "ETag": etag}, {"Key": "b", "ETag": '"x"'}, {"Key": "none"}]
    answer = s3("DeleteObjects", Bucket="bucket", Delete={"Objects": targets})
    assert [item["Key"] for item in answer["Deleted"]] == ["a", "none"]
    assert [(item["Key"], item["Code"]) for item in answer["Errors"]] == [
        ("b", "PreconditionFailed")
    ]
    many = [{"Key": str(number)} for number in range(1001)]
    s3.refused("MalformedXML", "DeleteObjects", Bucket="bucket", Delete={"Objects": many})


def test_conditional_delete(s3: S3) -> None:
    etag = s3.put("key")["ETag"]
    s3.refused("PreconditionFailed", "DeleteObject", Bucket="bucket", Key="key", IfMatch='"x"')
    s3.refused("PreconditionFailed", "DeleteObject", Bucket="bucket", Key="key", IfMatchSize=5)
    s3("DeleteObject", Bucket="bucket", Key="key", IfMatch=etag, IfMatchSize=4)
    s3.refused("NoSuchKey", "HeadObject", Bucket="bucket", Key="key")


def test_list_versions_in_pages(s3: S3) -> None:
    s3.version("Enabled")
    made = [s3.put(key)["VersionId"] for key in ("a", "a", "b")]
    s3("DeleteObject", Bucket="bucket", Key="b")
    page = s3("ListObjectVersions", Bucket="bucket", MaxKeys=1)
    seen = [page]
    while page["IsTruncated"]:
        page = s3(
            "ListObjectVersions",
            Bucket="bucket",
            MaxKeys=1,
            KeyMarker=page["NextKeyMarker"],
            VersionIdMarker=page["NextVersionIdMarker"],
        )
        seen.append(page)
    versions = [(v["Key"], v["VersionId"], v["IsLatest"]) for p in seen for v in p["Versions"]]
    assert versions == [("a", made[1], True), ("a", made[0], False), ("b", made[2], False)]
    assert [m["Key"] for p in seen for m in p["DeleteMarkers"]] == ["b"]


def test_object_lock_protects_versions(s3: S3) -> None:
    s3("CreateBucket", Bucket="locked", ObjectLockEnabledForBucket=True)
    target = {"Bucket": "locked", "Key": "key"}
    version = s3(
        "PutObject",
        **target,
        Body=b"",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=s3.clock.now() + 100,
    )["VersionId"]
    target["VersionId"] = version
    s3.refused("AccessDenied", "DeleteObject", **target)
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": s3.clock.now() + 50}
    s3.refused("AccessDenied", "PutObjectRetention", **target, Retention=retention)
    retention["RetainUntilDate"] += 100
    s3("PutObjectRetention", **target, Retention=retention)
    s3("PutObjectLegalHold", **target, LegalHold={"Status": "ON"})
    s3.refused("AccessDenied", "DeleteObject", **target, BypassGovernanceRetention=True)
    s3("PutObjectLegalHold", **target, LegalHold={"Status": "OFF"})
    s3.clock.advance(200)
    s3("DeleteObject", **target)


def test_object_lock_needs_its_bucket(s3: S3) -> None:
    s3.put("key")
    s3.refused(
        "InvalidRequest",
        "PutObjectLegalHold",
        Bucket="bucket",
        Key="key",
        LegalHold={"Status": "ON"},
    )
    s3("CreateBucket", Bucket="locked", ObjectLockEnabledForBucket=True)
    s3.refused(
        "InvalidBucketState",
        "PutBucketVersioning",
        Bucket="locked",
        VersioningConfiguration={"Status": "Suspended"},
    )
