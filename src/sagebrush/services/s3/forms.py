"""Browser uploads: a form posted to a bucket."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from sagebrush.base.settings import DEFAULT_ACCOUNT
from sagebrush.base.streams import ByteStream
from sagebrush.services.platform import Context
from sagebrush.services.s3.checksum_members import MEMBERS
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.form_data import Form, read_form
from sagebrush.services.s3.form_policy import (
    FormPolicy,
    check_form_signature,
    form_access_key,
)
from sagebrush.services.s3.object_writing import put_object
from sagebrush.services.s3.reach import find_bucket
from sagebrush.wire.xml import XmlError, local_name, parse_xml

_ACCOUNT = re.compile(r"\d{12}")
_METADATA = "x-amz-meta-"
_FIELDS = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-md5": "ContentMD5",
    "content-type": "ContentType",
    "x-amz-storage-class": "StorageClass",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    **{f"x-amz-checksum-{name.lower()}": member for name, member in MEMBERS.items()},
}
_ANSWERS = ("200", "201", "204")


async def post_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store the file of a form under the key that its fields name."""
    bucket = find_bucket(context, request)
    form = await read_form(request["ContentType"], request["Body"])
    if "key" not in form.fields:
        raise fault(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'. If it is specified, please check the"
            " order of the fields.",
            ArgumentName="key",
            ArgumentValue="",
        )
    form.fields["key"] = form.fields["key"].replace("${filename}", form.filename)
    policy = _signed_policy(context, form, bucket.name)
    signed = context if policy is None else _as_signer(context, form)
    put = _put_request(bucket.name, form)
    if policy is not None:
        _check_permission(signed, bucket.name, put["Key"])
    put["Body"] = form.file if policy is None else _Sized(form.file, policy)
    answer = await put_object(signed, put)
    return _answer(context, form, bucket.name, put["Key"], answer)


def _signed_policy(context: Context, form: Form, bucket: str) -> FormPolicy | None:
    """Return the form's policy after all checks but that of the file's size; None without one."""
    fields = form.fields
    if "policy" not in fields:
        if "signature" in fields or "x-amz-signature" in fields:
            raise fault(
                "InvalidArgument",
                "Bucket POST must contain a field named 'policy'.",
                ArgumentName="policy",
                ArgumentValue="",
            )
        if context.platform.settings.verify_signatures:
            raise fault("AccessDenied")
        return None
    form_access_key(fields)
    # Forms are signed by their makers' clocks, not by this server's.
    now = time.time()
    if context.platform.settings.verify_signatures:
        credential_of = context.platform.identity.credential
        check_form_signature(fields, credential_of, now)
    policy = FormPolicy(fields["policy"])
    policy.check(fields, bucket, now)
    return policy


def _as_signer(context: Context, form: Form) -> Context:
    access_key = form_access_key(form.fields)
    account = access_key if _ACCOUNT.fullmatch(access_key) else DEFAULT_ACCOUNT
    principal = context.platform.identity.principal(access_key, account, context.region)
    return replace(context, account=principal.account, principal=principal)


def _check_permission(context: Context, bucket: str, key: str) -> None:
    """Return if the signer's own policies allow the upload, where the server checks them."""
    if not context.platform.settings.verify_signatures:
        return
    resource = f"arn:aws:s3:::{bucket}/{key}"
    decision = context.platform.identity.authorise(context.principal, "s3:PutObject", resource)
    if not decision.allowed:
        raise fault("AccessDenied")


def _put_request(bucket: str, form: Form) -> dict[str, Any]:
    put: dict[str, Any] = {"Bucket": bucket}
    put["Key"] = form.fields["key"]
    for name, member in _FIELDS.items():
        if form.fields.get(name):
            put[member] = form.fields[name]
    put["Metadata"] = {
        name.removeprefix(_METADATA): value
        for name, value in form.fields.items()
        if name.startswith(_METADATA)
    }
    if tagging := form.fields.get("tagging"):
        put["Tagging"] = _tagging_header(tagging)
    return put


def _tagging_header(document: str) -> str:
    """Return the tags of a `Tagging` document as the header form that PutObject takes."""
    try:
        root = parse_xml(document.encode())
    except XmlError:
        raise fault("MalformedXML") from None
    pairs: list[tuple[str, str]] = []
    for tag in root.iter():
        if local_name(tag.tag) == "Tag":
            values = {local_name(child.tag): child.text or "" for child in tag}
            pairs.append((values.get("Key", ""), values.get("Value", "")))
    return urlencode(pairs)


def _answer(
    context: Context, form: Form, bucket: str, key: str, written: dict[str, Any]
) -> dict[str, Any]:
    location = f"{context.endpoint}/{bucket}/{quote(key)}"
    answer: dict[str, Any] = {
        "Location": location,
        "ETag": written["ETag"],
        "VersionId": written.get("VersionId"),
        "StatusCode": 204,
    }
    redirect = form.fields.get("success_action_redirect") or form.fields.get("redirect")
    if redirect:
        separator = "&" if "?" in redirect else "?"
        query = urlencode({"bucket": bucket, "key": key, "etag": written["ETag"]})
        return answer | {"Location": f"{redirect}{separator}{query}", "StatusCode": 303}
    status = form.fields.get("success_action_status")
    if status in _ANSWERS:
        answer["StatusCode"] = int(status)
    if answer["StatusCode"] == 201:
        answer["PostResponse"] = {
            "Location": location,
            "Bucket": bucket,
            "Key": key,
            "ETag": written["ETag"],
        }
    return answer


class _Sized:
    """A file that must have a size the policy allows."""

    def __init__(self, stream: ByteStream, policy: FormPolicy) -> None:
        self.length: int | None = None
        self.trailers: dict[str, str] = {}
        self._stream = stream
        self._policy = policy

    async def __aiter__(self) -> Any:
        size = 0
        maximum = self._policy.maximum_bytes
        async for chunk in self._stream:
            size += len(chunk)
            if maximum is not None and size > maximum:
                raise fault("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=maximum)
            yield chunk
        if size < self._policy.minimum_bytes:
            raise fault(
                "EntityTooSmall", ProposedSize=size, MinSizeAllowed=self._policy.minimum_bytes
            )
