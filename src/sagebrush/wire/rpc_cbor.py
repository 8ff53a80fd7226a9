"""The Smithy RPC v2 CBOR protocol."""

from __future__ import annotations

from typing import Any

from sagebrush.wire import cbor
from sagebrush.wire.aws_json import refused_tree
from sagebrush.wire.dialects import Refused
from sagebrush.wire.events import event_writer, rpc_stream_response
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.model import Operation
from sagebrush.wire.refusals import malformed
from sagebrush.wire.shapes import Compiler

HEADERS = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}


class RpcCborCodec:
    """Parses requests and serialises responses of one operation."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        compiler = Compiler.of(operation.service, cbor.DIALECT)
        self._input = operation.input
        self._events = event_writer(operation, "smithy-rpc-v2-cbor")
        self._read = compiler.reader(operation.input) if operation.input else None
        self._write = compiler.structure_writer(operation.output) if operation.output else None

    def parse(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Return the validated input; raises `ApiError`."""
        del labels
        if self._read is None or self._input is None:
            return {}
        tree: Any = {}
        try:
            if request.body:
                tree = cbor.decode(request.body)
            result: dict[str, Any] = self._read(tree)
        except cbor.CborError as error:
            raise malformed(self._operation, str(error)) from None
        except (Refused, RecursionError):
            raise refused_tree(self._operation, self._input, tree, cbor.DIALECT) from None
        return result

    def serialise(self, result: dict[str, Any], request_id: str) -> Response:
        """Return the success response."""
        del request_id
        if self._events is not None:
            output, stream = self._operation.output, self._operation.event_stream_output
            assert output is not None
            assert stream is not None
            return rpc_stream_response(self._events, output, stream, result)
        body = b"" if self._write is None else cbor.encode(self._write(result))
        return Response(200, dict(HEADERS), body)
