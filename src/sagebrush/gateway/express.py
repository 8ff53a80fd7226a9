"""The short way for requests that come by thousands and differ in little but their bodies.

Of an operation whose input is a blob and which has a prompt handler (an invocation), everything but
the blob follows from the head of the request. What follows is worked out once for each head, with
the router and the parser that any other request goes through, and remembered by the head without
what differs every time: when and as which attempt it was sent, its signature, its length.

What is not quite plain is left to the connection's parser (`heads` is strict and knows little), and
what turns out to need more than one answer of one process to the handler.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sagebrush.base.errors import ApiError
from sagebrush.base.identifiers import request_id
from sagebrush.gateway import messages
from sagebrush.gateway.authentication import Authenticator, Claims
from sagebrush.gateway.bodies import streams_input
from sagebrush.gateway.call import concluded, defect, note, success
from sagebrush.gateway.heads import HeadPattern, body_behind, parsed_head
from sagebrush.gateway.messages import RequestBody
from sagebrush.gateway.registry import Registry
from sagebrush.gateway.response_heads import beginning_of, begun_head, response_head
from sagebrush.gateway.trail import is_data_event
from sagebrush.services.declaration import PromptHandler
from sagebrush.services.platform import Context, Platform
from sagebrush.wire import Request, Route, Router, parse_request
from sagebrush.wire.model import Operation

if TYPE_CHECKING:
    from sagebrush.gateway.connection import Connection

_REMEMBERED_HEADS = 256
_REMEMBERED_BEGINNINGS = 64
# So many requests in a row that are like none before, and no further one is looked at: their client
# writes something new into each head that matters, an inference id say.
_PATIENCE = 8
_OK = 200
_Key = tuple[bool, str, HeadPattern]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What all requests of one client with one head have in common."""

    head: re.Pattern[bytes]
    routed: Route
    handler: PromptHandler
    claims: Claims
    parameters: dict[str, Any]
    # The blob of the input, and that of the output.
    payload: str
    answer: str
    # How answers begin, up to the request's id, by what results have beside the blob.
    beginnings: dict[tuple[Any, ...], bytes] = field(default_factory=dict)


class Express:
    """Answers requests whose head it has seen before."""

    def __init__(
        self,
        platform: Platform,
        router: Router,
        registry: Registry,
        authenticator: Authenticator,
    ) -> None:
        self._platform = platform
        self._router = router
        self._registry = registry
        self._authenticator = authenticator
        # How requests begin that may be taken: nothing, until one of them went the long way.
        self._beginnings: tuple[bytes, ...] = ()
        self._seen: set[Operation] = set()
        # By whether it is encrypted, client and head; None for one that leads nowhere on this way,
        # and for one that was seen only once.
        self._plans: dict[_Key, Plan | None] = {}
        self._strangers: set[_Key] = set()
        # How many requests that were taken have no result yet.
        self._under_way = 0

    def learn(self, routed: Route) -> None:
        """Take note of an operation that is asked for."""
        operation = routed.operation_model
        if operation in self._seen:
            return
        self._seen.add(operation)
        # A signature has to be verified anew for each request, which is the long way's.
        if not self._platform.settings.verify_signatures and self._handler(routed) is not None:
            place = operation.request_uri.partition("{")[0]
            self._beginnings += (f"{routed.method} {place}".encode(),)

    def take(self, connection: Connection, data: bytes) -> bool:
        """Whether `data` is a request that is now on its way to an answer."""
        if (
            not data.startswith(self._beginnings)
            or connection.strange_requests > _PATIENCE
            or self._platform.injection.operations
        ):
            return False
        # A client's next request is most often like its last one.
        plan: Plan | None = connection.plan
        body = None if plan is None else body_behind(plan.head, data)
        if body is None:
            plan = self._found(connection, data)
            body = None if plan is None else body_behind(plan.head, data)
        if plan is None or body is None:
            connection.strange_requests += 1
            return False
        connection.plan = plan
        connection.strange_requests = 0
        return self._begin(plan, connection, body)

    def ended(self) -> bool:
        """Take note of a result; whether no other request is under way."""
        self._under_way -= 1
        return not self._under_way

    def _begin(self, plan: Plan, connection: Connection, body: bytes) -> bool:
        context = self._authenticator.context(plan.claims, request_id())
        parameters = plan.parameters.copy()
        parameters[plan.payload] = body
        answering = _Answering(self, plan, connection, context)
        connection.engage()
        self._under_way += 1
        try:
            begun = plan.handler(context, parameters, answering.respond)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, and the long way an answer
            _log.exception("a request failed that was taken")
            begun = answering.responded
        if not begun:
            self._under_way -= 1
            connection.release()
        return begun

    def _found(self, connection: Connection, data: bytes) -> Plan | None:
        pattern = HeadPattern.of(data)
        if pattern is None:
            return None
        key = connection.secure, connection.client_address, pattern
        if key in self._plans:
            return self._plans[key]
        if key not in self._strangers:
            # Worth the work when it comes again.
            if len(self._strangers) >= _REMEMBERED_HEADS:
                self._strangers.clear()
            self._strangers.add(key)
            return None
        if len(self._plans) >= _REMEMBERED_HEADS:
            self._plans.clear()
        plan = self._plans[key] = self._made(pattern, connection)
        return plan

    def _made(self, pattern: HeadPattern, connection: Connection) -> Plan | None:
        head = parsed_head(pattern.kept)
        if head is None:
            return None
        raw = Request(head.method, head.target, "", head.headers, b"")
        try:
            routed = self._router.route(raw)
            handler = self._handler(routed)
            payload = routed.operation_model.streaming_input
            answer = routed.operation_model.streaming_output
            if handler is None or payload is None or answer is None:
                return None
            parameters = parse_request(routed, raw)
        except ApiError:
            # The long way tells the client.
            return None
        request = messages.Request(
            head.method,
            head.target,
            head.headers,
            RequestBody.of(b""),
            connection.secure,
            connection.client_address,
        )
        claims = self._authenticator.claims(request, routed)
        return Plan(
            re.compile(pattern.expression), routed, handler, claims, parameters, payload, answer
        )

    def _handler(self, routed: Route) -> PromptHandler | None:
        """Return the prompt handler of an operation that has but a blob for a body."""
        operation = routed.operation_model
        if (
            operation.streaming_input is None
            or streams_input(operation)
            or not is_data_event(routed.service, routed.operation)
        ):
            return None
        return self._registry.prompt_handler(routed.service, routed.operation)


class _Answering:
    """A request under way; its prompt handler calls `respond` once."""

    __slots__ = ("_connection", "_context", "_express", "_plan", "responded")

    def __init__(
        self, express: Express, plan: Plan, connection: Connection, context: Context
    ) -> None:
        self._express = express
        self.responded = False
        self._plan = plan
        self._connection = connection
        self._context = context

    def respond(self, result: dict[str, Any] | Awaitable[dict[str, Any]]) -> None:
        """Deliver a result, or what an awaitable will give; never raises."""
        context, plan = self._context, self._plan
        alone = self._express.ended()
        self.responded = True
        if not isinstance(result, dict):
            self._connection.deliver_later(concluded(plan.routed, context, result))
            return
        try:
            self._deliver(result, alone)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
            _log.exception("request %s failed", context.request_id)
            self._connection.deliver(defect(plan.routed, context.request_id))

    def _deliver(self, result: dict[str, Any], alone: bool) -> None:
        context, plan, identifier = self._context, self._plan, self._context.request_id
        blob = result.pop(plan.answer) if plan.answer in result else b""
        told = tuple(result.items())
        is_usual = context.status is None and not context.extra_headers
        beginning = plan.beginnings.get(told) if is_usual else None
        if beginning is not None:
            note(plan.routed, _OK, identifier)
            message = begun_head(beginning, identifier, len(blob)) + blob
            self._connection.deliver_message(message, at_once=alone)
            return
        response = success(plan.routed, context, result | {plan.answer: blob})
        head = response_head(response, len(blob), takes_chunks=True, close=response.close)
        beginning = beginning_of(head, identifier) if is_usual and response.status == _OK else None
        if beginning is not None:
            if len(plan.beginnings) >= _REMEMBERED_BEGINNINGS:
                plan.beginnings.clear()
            plan.beginnings[told] = beginning
        self._connection.deliver_message(head + blob, close=response.close)
