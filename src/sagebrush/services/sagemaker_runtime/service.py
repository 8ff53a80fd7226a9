"""Declares the service."""

from __future__ import annotations

from sagebrush.services.declaration import Service
from sagebrush.services.sagemaker_runtime import request_metrics

SERVICE = Service(
    name="sagemaker-runtime",
    modules=("sagebrush.services.sagemaker_runtime.invocations",),
    start=request_metrics.start,
    stop=request_metrics.stop,
)
