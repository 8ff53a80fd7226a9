"""On which instances a trial runs: the first of those that its definition names that can be had.

Source: `InstanceConfigs` and `AllocationStrategy` of HyperParameterTuningResourceConfig in the API
reference. `Prioritized` is the only strategy there is, and so what counts where none is given.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.sagemaker.tuning import records
from sagebrush.store.database import Database

_OF_INSTANCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
_DEFAULT_VOLUME_GB = 30


def resources_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a definition's ResourceConfigs for its training jobs, the preferred first."""
    if "ResourceConfig" in document:
        return [dict(document["ResourceConfig"])]
    wanted = document["HyperParameterTuningResourceConfig"]
    key = {name: wanted[name] for name in ("VolumeKmsKeyId",) if name in wanted}
    return [
        {"VolumeSizeInGB": _DEFAULT_VOLUME_GB}
        | {name: each[name] for name in _OF_INSTANCES if name in each}
        | key
        for each in wanted.get("InstanceConfigs", [wanted])
    ]


def resources_of_trial(db: Database, training_job_id: int) -> list[dict[str, Any]]:
    """Return the ResourceConfigs that a training job may run on; none when it is no trial."""
    found = records.definition_of(db, training_job_id)
    if found is None:
        return []
    request, number = found
    documents = request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]
    return resources_of(documents[number])
