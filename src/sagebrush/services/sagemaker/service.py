"""Declares the service: its resource files, its tables and what runs beside the handlers.

A resource file joins by its name in `_RESOURCES`; a module with `start` and `stop` by its name in
`_BACKGROUND`, beside the query that tells whether there is anything to take up again.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from pathlib import Path
from typing import Any

from sagebrush.run.families import StartError
from sagebrush.services.capacities import Capacity
from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jumpstart import provide
from sagebrush.services.sagemaker.runtimes import BASE_FAMILY

_log = logging.getLogger(__name__)

_PACKAGE = "sagebrush.services.sagemaker"
_RESOURCES = (
    "endpoint_configs",
    "endpoints",
    "inference_components",
    "inference_experiments",
    "models",
    "search",
    "tags",
    "training_jobs",
    "transform_jobs",
    "tuning_jobs",
)
_NAMES_SHOWN = 20
# Loaded at server start only where rows ask for it, else by the first request that needs it.
_BACKGROUND = {
    "jobs.training": (
        "SELECT 1 FROM sagemaker_training_jobs WHERE status IN ('InProgress', 'Stopping') LIMIT 1"
    ),
    "tuning.scheduling": (
        "SELECT 1 FROM sagemaker_tuning_jobs WHERE status IN ('InProgress', 'Stopping') LIMIT 1"
    ),
    "transform.running": (
        "SELECT 1 FROM sagemaker_transform_jobs WHERE status IN ('InProgress', 'Stopping') LIMIT 1"
    ),
    "hosting.deployments": "SELECT 1 FROM sagemaker_endpoints LIMIT 1",
    # After the endpoints: those end what nobody needs.
    "hosting.components.running": "SELECT 1 FROM sagemaker_inference_components LIMIT 1",
    "experiments.running": "SELECT 1 FROM sagemaker_inference_experiments LIMIT 1",
}


# What Application Auto Scaling can scale: module and class, made with their first use.
_SCALABLE = {
    "sagemaker:inference-component:DesiredCopyCount": ("hosting.components.scaling", "CopyCounts"),
    "sagemaker:variant:DesiredInstanceCount": ("hosting.scaling", "InstanceCounts"),
    "sagemaker:variant:DesiredProvisionedConcurrency": (
        "hosting.scaling",
        "ProvisionedConcurrencies",
    ),
}


async def _start(platform: Platform) -> None:
    platform.objects.provided.add(provide)
    for dimension, place in _SCALABLE.items():
        platform.capacities.offer(dimension, functools.partial(_capacity, platform, *place))
    for name, query in _BACKGROUND.items():
        if platform.db.one(query) is not None:
            await importlib.import_module(f"{_PACKAGE}.{name}").start(platform)


def _capacity(platform: Platform, module: str, name: str) -> Capacity:
    """Return the adapter of a scalable dimension."""
    adapter: Capacity = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)(platform)
    return adapter


async def _stop(platform: Platform) -> None:
    for name in reversed(_BACKGROUND):
        module = sys.modules.get(f"{_PACKAGE}.{name}")
        if module is not None:
            await module.stop(platform)


async def _prewarm(platform: Platform) -> None:
    """Load the algorithms' parent before the first job needs it."""
    try:
        await platform.supervisor.prewarm(BASE_FAMILY)
    except StartError as error:
        # The first job will say so, too, in its FailureReason.
        _log.warning("cannot preload the algorithms: %s", error)


def _status(platform: Platform) -> dict[str, Any]:
    """Count jobs and endpoints by status, and name those that run."""
    rows = platform.db.all
    return {
        "training_jobs": {
            row["status"]: row["number"]
            for row in rows(
                "SELECT status, count(*) AS number FROM sagemaker_training_jobs GROUP BY status"
            )
        },
        "tuning_jobs": {
            row["status"]: row["number"]
            for row in rows(
                "SELECT status, count(*) AS number FROM sagemaker_tuning_jobs GROUP BY status"
            )
        },
        "transform_jobs": {
            row["status"]: row["number"]
            for row in rows(
                "SELECT status, count(*) AS number FROM sagemaker_transform_jobs GROUP BY status"
            )
        },
        "running_jobs": [
            row["name"]
            for row in rows(
                "SELECT name FROM sagemaker_training_jobs"
                " WHERE status IN ('InProgress', 'Stopping') ORDER BY id LIMIT ?",
                (_NAMES_SHOWN,),
            )
        ],
        "endpoints": {
            row["status"]: row["number"]
            for row in rows(
                "SELECT status, count(*) AS number FROM sagemaker_hosting"
                " WHERE kind = 'endpoint' GROUP BY status"
            )
        },
        "serving_endpoints": [
            row["name"]
            for row in rows(
                "SELECT name FROM sagemaker_hosting WHERE kind = 'endpoint'"
                " AND status IN ('InService', 'Updating', 'RollingBack', 'UpdateRollbackFailed')"
                " ORDER BY created LIMIT ?",
                (_NAMES_SHOWN,),
            )
        ],
    }


SERVICE = Service(
    name="sagemaker",
    modules=tuple(f"{_PACKAGE}.{name}" for name in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
    stop=_stop,
    status=_status,
    first_use=_prewarm,
)
