"""The rest-xml protocol: S3, CloudFront, Route 53, S3 Control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagebrush.wire.dialects import NATIVE
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.model import Operation
from sagebrush.wire.refusals import malformed
from sagebrush.wire.rest import RestCodec
from sagebrush.wire.scalars import ScalarError
from sagebrush.wire.shapes import Compiler
from sagebrush.wire.violations import Given
from sagebrush.wire.xml import (
    DECLARATION,
    XmlCompiler,
    XmlError,
    escape,
    namespace_attribute,
    parse_xml,
)

_XML_TYPE = "application/xml"
# Outputs whose only member is the text of the root element itself (Smithy: s3UnwrappedXmlOutput).
_UNWRAPPED = {("s3", "GetBucketLocation"): "LocationConstraint"}
# Root elements as S3 answers them; the model knows only the names of its own shapes.
_ROOTS = {
    "CopyPartResult": "CopyPartResult",
    "CreateMultipartUploadOutput": "InitiateMultipartUploadResult",
    "CompleteMultipartUploadOutput": "CompleteMultipartUploadResult",
    "DeleteObjectsOutput": "DeleteResult",
    "GetBucketAccelerateConfigurationOutput": "AccelerateConfiguration",
    "GetBucketAclOutput": "AccessControlPolicy",
    "GetBucketCorsOutput": "CORSConfiguration",
    "GetBucketLifecycleConfigurationOutput": "LifecycleConfiguration",
    "GetBucketLifecycleOutput": "LifecycleConfiguration",
    "GetBucketLoggingOutput": "BucketLoggingStatus",
    "GetBucketRequestPaymentOutput": "RequestPaymentConfiguration",
    "GetBucketTaggingOutput": "Tagging",
    "GetBucketVersioningOutput": "VersioningConfiguration",
    "GetBucketWebsiteOutput": "WebsiteConfiguration",
    "GetObjectAclOutput": "AccessControlPolicy",
    "GetObjectAttributesOutput": "GetObjectAttributesResponse",
    "GetObjectTaggingOutput": "Tagging",
    "ListBucketsOutput": "ListAllMyBucketsResult",
    "ListMultipartUploadsOutput": "ListMultipartUploadsResult",
    "ListObjectVersionsOutput": "ListVersionsResult",
    "ListObjectsOutput": "ListBucketResult",
    "ListObjectsV2Output": "ListBucketResult",
    "ListPartsOutput": "ListPartsResult",
}


class RestXmlCodec(RestCodec):
    """Parses requests and serialises responses of one rest-xml operation."""

    protocol = "rest-xml"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        self._xml = XmlCompiler.of(operation.service)
        self._checks = Compiler.of(operation.service, NATIVE)
        self._unwrapped = _UNWRAPPED.get((operation.service.name, operation.name))
        self._namespace = _namespace_of(operation)
        self._content = self._content_writer()
        self._element_reader = None
        self._member_checks = {}
        if operation.input is not None and not self._raw_payload:
            if self._payload is not None:
                payload = operation.input.members[self._payload]
                self._is_text = payload.type == "string"
                self._element_reader = self._xml.reader(payload)
                self._member_checks = self._checks.members(operation.input, {self._payload})
            elif self._body_members:
                self._element_reader = self._xml.structure_reader(
                    operation.input, self._body_members
                )
                self._member_checks = self._checks.members(operation.input, self._body_members)

    def _content_writer(self) -> Callable[[list[str], dict[str, Any]], None]:
        output = self._operation.output
        if output is None or self._output.raw_payload is not None:
            return _write_nothing
        if self._output.payload is not None:
            return self._xml.content_writer(output.members[self._output.payload])
        return self._xml.content_writer(output, self._output.body_members)

    def _body_tree(self, request: Request) -> dict[str, Any]:
        """Return native values by member name."""
        body = request.body
        if self._element_reader is None or not body.strip():
            return {}
        try:
            if self._payload is None:
                members: dict[str, Any] = self._element_reader([parse_xml(body)])
                return members
            if self._is_text:
                return {self._payload: body.decode()}
            return {self._payload: self._element_reader([parse_xml(body)])}
        except (XmlError, ScalarError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(self._operation, str(error)) from None

    def _read_body(self, tree: Any, result: dict[str, Any]) -> None:
        for name, value in tree.items():
            result[name] = self._member_checks[name][1](value)

    def _given(self, tree: Any) -> dict[str, Given]:
        return {name: Given(value, NATIVE) for name, value in tree.items()}

    def _write_body(self, result: dict[str, Any], response: Response) -> None:
        output = self._operation.output
        if output is None:
            return
        out = [DECLARATION]
        payload = self._output.payload
        if self._unwrapped is not None:
            text = escape(result.get(self._unwrapped) or "")
            out.append(f"<{self._unwrapped}{self._namespace}>{text}</{self._unwrapped}>")
        elif payload is not None:
            if result.get(payload) is None:
                return
            member = output.members[payload]
            tag = member.location_name or member.name
            namespace = namespace_attribute(member) or self._namespace
            out.append(f"<{tag}{namespace}>")
            self._content(out, result[payload])
            out.append(f"</{tag}>")
        elif self._output.body_members:
            tag = output.location_name or _ROOTS.get(output.name, output.name)
            out.append(f"<{tag}{namespace_attribute(output) or self._namespace}>")
            self._content(out, result)
            out.append(f"</{tag}>")
        else:
            return
        response.body = "".join(out).encode()
        response.headers.setdefault("content-type", _XML_TYPE)


def _namespace_of(operation: Operation) -> str:
    info = operation.service.info
    if info.name == "s3":
        if operation.name == "PostObject":
            return ""  # the one answer of S3's without a namespace
        return ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return f' xmlns="{info.xml_namespace}"' if info.xml_namespace else ""


def _write_nothing(out: list[str], value: dict[str, Any]) -> None:
    del out, value
