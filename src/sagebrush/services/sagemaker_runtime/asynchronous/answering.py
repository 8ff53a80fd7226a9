"""One asynchronous request: its input from S3, the model's answer to S3, a notice.

The answer's object, the notice, the log line and the end of the request's row are one
transaction: however often a request is worked on because a server died, it is answered once.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import Answer, FleetError, Instance, ServerLostError, Variant
from sagebrush.engines.objects import (
    Blob,
    BucketRecord,
    BytesStream,
    ObjectStoreError,
    parse_s3_uri,
)
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.asynchronous import records
from sagebrush.services.sagemaker_runtime.asynchronous.measures import Measures
from sagebrush.services.sagemaker_runtime.asynchronous.notices import tell_failure, tell_success
from sagebrush.services.sagemaker_runtime.asynchronous.payloads import Payload, fetched
from sagebrush.services.sagemaker_runtime.asynchronous.records import Endpoint, Request
from sagebrush.services.sagemaker_runtime.exchanges import Exchange, Reply

_DEFAULT_TIMEOUT_S = 900.0
_MICROSECONDS = 1e6
_MILLISECONDS = 1e3
# What fits into a log line and a notice; the object has everything.
_WORDS = 4096


class Failure(NamedTuple):
    """Why a request failed: the reason told, the metric of its kind, the model's words if any."""

    reason: str
    metric: str | None = None
    answer: Answer | None = None


class Answering:
    """The work on one request."""

    def __init__(
        self, platform: Platform, endpoint: Endpoint, request: Request, measures: Measures
    ) -> None:
        self._platform = platform
        self._endpoint = endpoint
        self._request = request
        self._measures = measures
        self._latencies: dict[str, float] = {}

    async def answer(self, variant: Variant, instance: Instance) -> None:
        """Have an instance answer and store that, or why there is no answer.

        Raises:
            ServerLostError: the model server died over it; the request stays.
        """
        now = self._platform.clock.now()
        self._latencies["TimeInBacklog"] = (now - self._request.received) * _MILLISECONDS
        outcome = await self._outcome(variant, instance)
        failure = await self._upload(outcome.answer) if isinstance(outcome, Reply) else outcome
        if failure is not None:
            await self.fail(failure)

    async def fail(self, failure: Failure) -> None:
        """Store why there is no answer, where that is wanted."""
        location = self._request.members.get("FailureLocation")
        answer = failure.answer
        body = failure.reason.encode() if answer is None else answer.body
        content_type = "text/plain" if answer is None else answer.headers.get("content-type", "")
        blob = None
        if location is not None and self._bucket(location) is not None:
            blob = await self._platform.objects.receiver.receive(BytesStream(body))
        with self._platform.db.transaction():
            if not records.remove(self._platform.db, self._request.id):
                if blob is not None:
                    self._platform.objects.discard(blob)
                return
            if blob is not None and location is not None:
                self._put(location, blob, content_type)
            elif location is not None:
                self._measures.count("ResponseUploadFailures")
                self._measures.note(
                    self._request, f"Unable to upload to {location}: no such bucket"
                )
            said = None if answer is None else answer.body
            self._told(
                tell_failure(self._platform, self._endpoint, self._request, failure.reason, said)
            )
            self._measures.note(self._request, failure.reason)
            if failure.metric is not None:
                self._measures.count(failure.metric)
            self._measures.count("InvocationFailures")
            self._end()

    async def _outcome(self, variant: Variant, instance: Instance) -> Reply | Failure:
        members = self._request.members
        began = time.perf_counter()
        try:
            payload = fetched(self._platform, self._request)
        except ObjectStoreError as error:
            reason = f"ClientError: Unable to download {members['InputLocation']}: {error}"
            return Failure(reason, "RequestDownloadFailures")
        self._measure("RequestDownloadLatency", began)
        began = time.perf_counter()
        outcome = await self._asked(variant, instance, payload)
        self._measure("ModelLatency", began)
        status = 500
        if isinstance(outcome, Reply):
            status = outcome.answer.status
        self._measures.count("Invocation4XXErrors", float(400 <= status < 500))
        self._measures.count("Invocation5XXErrors", float(status >= 500))
        if isinstance(outcome, Reply) and not 200 <= status < 300:
            return _refused(outcome)
        return outcome

    async def _asked(
        self, variant: Variant, instance: Instance, payload: Payload
    ) -> Reply | Failure:
        content = payload.content
        members: dict[str, Any] = {
            "InferenceId": self._request.inference_id,
            # The SageMaker SDK relies on it: it names the type with the upload alone.
            **({"ContentType": payload.content_type} if payload.content_type else {}),
            **self._request.members,
            # What goes through several containers is copied from one to the next.
            "Body": content if variant.traits.plain else bytes(content),
        }
        timeout_s = float(members.get("InvocationTimeoutSeconds", _DEFAULT_TIMEOUT_S))
        try:
            return await Exchange(members, timeout_s=timeout_s)(variant, instance)
        except ServerLostError:
            raise
        except FleetError as error:
            return Failure(
                "ClientError: Your invocation timed out while waiting for a response from"
                f" container {error.container} ({error})."
            )
        except ApiError as error:
            return Failure(f"ClientError: {error.message}")

    async def _upload(self, answer: Answer) -> Failure | None:
        """Store an answer; return why that is not possible."""
        location = self._request.members["OutputLocation"]
        content_type = answer.headers.get("content-type", "")
        began = time.perf_counter()
        blob = await self._platform.objects.receiver.receive(BytesStream(answer.body))
        with self._platform.db.transaction():
            if self._bucket(location) is None:
                self._platform.objects.discard(blob)
                reason = f"ClientError: Unable to upload the response to {location}: no such bucket"
                return Failure(reason, "ResponseUploadFailures")
            if not records.remove(self._platform.db, self._request.id):
                self._platform.objects.discard(blob)
                return None
            self._put(location, blob, content_type)
            self._measure("ResponseUploadLatency", began)
            self._told(
                tell_success(
                    self._platform, self._endpoint, self._request, content_type, answer.body
                )
            )
            self._end()
            self._measures.note(self._request, self._success())
        return None

    def _bucket(self, location: str) -> BucketRecord | None:
        return self._platform.objects.bucket(parse_s3_uri(location)[0])

    def _put(self, location: str, blob: Blob, content_type: str) -> None:
        """Make received bytes an object, unless its bucket went this very moment."""
        bucket = self._bucket(location)
        if bucket is None:
            self._platform.objects.discard(blob)
            return
        attributes = {
            "ContentType": content_type or "binary/octet-stream",
            "Owner": self._endpoint.account,
        }
        _, key = parse_s3_uri(location)
        now = self._platform.clock.now()
        self._platform.objects.versions.put(bucket, key, blob, attributes, now=now)

    def _told(self, published: bool) -> None:
        if not published:
            self._measures.count("NotificationFailures")
            self._measures.note(self._request, "The notification could not be published.")

    def _measure(self, name: str, began: float) -> None:
        self._latencies[name] = (time.perf_counter() - began) * _MICROSECONDS

    def _end(self) -> None:
        """Count what an answered request took."""
        total_s = self._platform.clock.now() - self._request.received
        self._latencies["TotalProcessingTime"] = total_s * _MILLISECONDS
        for name, value in self._latencies.items():
            self._measures.count(name, value)
        self._measures.count("InvocationsProcesssed")
        self._measures.store()

    def _success(self) -> str:
        units = {"TimeInBacklog": "ms", "TotalProcessingTime": "ms"}
        told = ", ".join(
            f"{name}: {round(value)} {units.get(name, 'us')}"
            for name, value in self._latencies.items()
        )
        return f"Inference request succeeded. {told}"


def _refused(reply: Reply) -> Failure:
    """Return the failure of an answer that is no 2xx."""
    status = reply.answer.status
    kind = "server" if status >= 500 else "client"
    text = reply.answer.body.decode("utf-8", "replace")
    return Failure(
        f'Received {kind} error ({status}) from {reply.container} with message "{text}"'[:_WORDS],
        answer=reply.answer,
    )
