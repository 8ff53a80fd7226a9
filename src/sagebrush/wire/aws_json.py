"""The json protocol (application/x-amz-json-1.0 and 1.1)."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.wire import violations
from sagebrush.wire.dialects import JSON, Dialect, Refused
from sagebrush.wire.events import event_writer, rpc_stream_response
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.model import Operation, Shape
from sagebrush.wire.refusals import malformed, refusal
from sagebrush.wire.shapes import Compiler

_EMPTY: dict[str, Any] = {}


class JsonCodec:
    """Parses requests and serialises responses of one operation."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        compiler = Compiler.of(operation.service, JSON)
        self._input = operation.input
        self._events = event_writer(operation, "json")
        self._read = compiler.reader(operation.input) if operation.input else None
        self._write = compiler.structure_writer(operation.output) if operation.output else None
        self._content_type = (
            f"application/x-amz-json-{operation.service.info.json_version or '1.0'}"
        )

    def parse(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Return the validated input; raises `ApiError`."""
        del labels
        tree = parse_json(self._operation, request.body)
        if self._read is None or self._input is None:
            return {}
        try:
            result: dict[str, Any] = self._read(tree)
        except (Refused, RecursionError):
            raise refused_tree(self._operation, self._input, tree, JSON) from None
        return result

    def serialise(self, result: dict[str, Any], request_id: str) -> Response:
        """Return the success response."""
        del request_id
        if self._events is not None:
            output, stream = self._operation.output, self._operation.event_stream_output
            assert output is not None
            assert stream is not None
            return rpc_stream_response(self._events, output, stream, result)
        body = b"" if self._write is None else orjson.dumps(self._write(result))
        return Response(200, {"content-type": self._content_type}, body)


def parse_json(operation: Operation, body: bytes) -> Any:
    """Return the JSON tree of a body, `{}` of an empty one; raises SerializationException."""
    if not body:
        return _EMPTY
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(operation, str(error)) from None


def refused_tree(operation: Operation, shape: Shape, tree: Any, dialect: Dialect) -> Exception:
    """Return the error that says what is wrong with a whole body that a reader refused."""
    if type(tree) is not dict:
        return malformed(operation, "Unexpected field type: a structure is needed")
    try:
        given = violations.tree_members(shape, tree, dialect)
        return refusal(operation, violations.explain(shape, given))
    except RecursionError:
        return malformed(operation, "The request is nested too deeply")
