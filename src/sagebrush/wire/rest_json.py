"""The rest-json protocol."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.wire import violations
from sagebrush.wire.aws_json import parse_json
from sagebrush.wire.dialects import JSON
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.model import Operation
from sagebrush.wire.refusals import malformed
from sagebrush.wire.rest import RestCodec
from sagebrush.wire.shapes import Compiler
from sagebrush.wire.violations import Given

_JSON_TYPE = "application/json"


class RestJsonCodec(RestCodec):
    """Parses requests and serialises responses of one rest-json operation."""

    protocol = "rest-json"

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation)
        compiler = Compiler.of(operation.service, JSON)
        self._payload_reader = None
        self._members = {}
        if operation.input is not None:
            if self._payload is not None and not self._raw_payload:
                payload = operation.input.members[self._payload]
                self._is_text = payload.type == "string"
                self._payload_reader = compiler.reader(payload)
            else:
                self._members = compiler.members(operation.input, self._body_members)
        self._payload_writer = None
        self._write = None
        if operation.output is not None and self._output.raw_payload is None:
            if self._output.payload is not None:
                payload = operation.output.members[self._output.payload]
                self._payload_writer = compiler.writer(payload)
            elif self._output.body_members:
                self._write = compiler.structure_writer(operation.output, self._output.body_members)

    def _body_tree(self, request: Request) -> Any:
        if self._payload_reader is not None:
            if not request.body:
                return None
            if self._is_text:
                return _text_of(self._operation, request.body)
        elif not self._members:
            return {}
        tree = parse_json(self._operation, request.body)
        if self._payload_reader is None and type(tree) is not dict:
            raise malformed(self._operation, "Unexpected field type: a structure is needed")
        return tree

    def _read_body(self, tree: Any, result: dict[str, Any]) -> None:
        if self._payload_reader is not None:
            if tree is not None:
                assert self._payload is not None
                result[self._payload] = self._payload_reader(tree)
            return
        for key, item in tree.items():
            member = self._members.get(key)
            if member is not None and item is not None:
                result[member[0]] = member[1](item)

    def _given(self, tree: Any) -> dict[str, Given]:
        assert self._shape is not None
        if self._payload_reader is not None:
            assert self._payload is not None
            return {} if tree is None else {self._payload: Given(tree, JSON)}
        given = violations.tree_members(self._shape, tree, JSON)
        return {name: value for name, value in given.items() if name in self._body_members}

    def _write_body(self, result: dict[str, Any], response: Response) -> None:
        payload = self._output.payload
        if payload is not None:
            value = result.get(payload)
            if value is not None:
                write = self._payload_writer
                response.body = orjson.dumps(value if write is None else write(value))
        elif self._write is not None:
            response.body = orjson.dumps(self._write(result))
        elif self._operation.response_code == 200:
            response.body = b"{}"
        if response.body:
            response.headers.setdefault("content-type", _JSON_TYPE)


def _text_of(operation: Operation, body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise malformed(operation, str(error)) from None
