"""AWS wire formats to and from dicts: no state, no server, no I/O but loading service models.

The gateway calls, in this order:

    request = Request(method, path, query, headers, body)
    if needs_body(request): read the whole body before routing (query protocol)
    route = router.route(request)               # RoutingError is an ApiError and has `.route`
    if not route.operation_model.streaming_input: read the whole body into `request.body`
    parameters = parse_request(route, request)  # ApiError with the service's code and wording
    response = serialise_response(route, result, request_id)
    response = serialise_error(route, api_error, request_id)

- `Request.path` is percent-encoded as received, `query` the raw string behind `?` (empty if none),
  `headers` a dict with lower-case names (repeated headers joined by `,`), `body` bytes, or for
  operations with `streaming_input` any object: it becomes that input member untouched.
  Encodings of the transport (aws-chunked, gzip) are removed before `parse_request`.
- `Response` has `status`, `headers` (lower-case names) and `body`: bytes, or whatever object the
  handler put into the streaming output member (`Operation.streaming_output`). No content-length
  is set. HEAD responses have an empty body.
- Event streams: the handler's member is an iterable or async iterable of `{event name: members}`
  and `Response.body` the like of encoded frames (bytes); an `ApiError` raised by the source ends
  the stream with an exception frame. To read incoming ones: `eventstream.FrameDecoder` and
  `events.EventReader`.
- `Router(catalogue, preferred)` with `Catalogue(cache_dir)`; the module functions `route` and
  `load` use the default cache directory.
- `Route`: `service` (botocore folder name: `sagemaker-runtime`), `operation` (`InvokeEndpoint`),
  `protocol`, `region`, `access_key`, `signing_name` (None when unsigned), `bucket_in_host`,
  `service_model`, `operation_model`.
- `unsupported(service, operation)` gives the ApiError for a modelled but missing operation (501,
  which no SDK retries).

Dicts are in wire names (`TrainingJobName`), timestamps epoch seconds (float), blobs bytes. Results
may hold members the output shape does not know, or None: both are dropped.
"""

from __future__ import annotations

from sagebrush.wire.codec import parse_request, serialise_error, serialise_response
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.pack import Catalogue, UnknownServiceError, catalogue, load
from sagebrush.wire.refusals import unsupported
from sagebrush.wire.routing import Route, Router, RoutingError, needs_body, route

__all__ = [
    "Catalogue",
    "Request",
    "Response",
    "Route",
    "Router",
    "RoutingError",
    "UnknownServiceError",
    "catalogue",
    "load",
    "needs_body",
    "parse_request",
    "route",
    "serialise_error",
    "serialise_response",
    "unsupported",
]
