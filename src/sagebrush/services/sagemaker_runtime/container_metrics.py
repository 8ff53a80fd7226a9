"""Metrics of single containers, where a variant has several (inference-pipeline-logs-metrics.md,
multi-container-direct.md)."""

from __future__ import annotations

from sagebrush.services.minute_sums import MICROSECONDS, Series, minute_sums_of
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.exchanges import Reply
from sagebrush.services.served import Served

_NAMESPACE = "AWS/SageMaker"


def count_containers(
    context: Context, served: Served, variant: str, reply: Reply, total_s: float
) -> None:
    """Add what an invocation says of the containers that took part in it."""
    if len(served.containers) == 1:
        return
    for container, latency_s in reply.latencies:
        values = [("ContainerLatency", "Microseconds", latency_s * MICROSECONDS)]
        if served.direct:
            status = reply.answer.status
            values += [
                ("Invocations", "None", 1.0),
                ("Invocation4XXErrors", "None", float(400 <= status < 500)),
                ("Invocation5XXErrors", "None", float(status >= 500)),
                ("OverheadLatency", "Microseconds", max(0.0, total_s - latency_s) * MICROSECONDS),
            ]
        dimensions = (
            ("EndpointName", served.endpoint),
            ("VariantName", variant),
            ("ContainerName", container),
        )
        for name, unit, value in values:
            series = Series(context.account, context.region, _NAMESPACE, name, unit, dimensions)
            minute_sums_of(context.platform).add(series, context.now, value)
