"""Inference experiments: create, start, update, stop, describe, list, delete."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.experiments.admission import ENDED, check_admitted, rival
from sagebrush.services.sagemaker.experiments.requests import (
    Schedule,
    check_actions,
    checked,
    conflict,
    schedule_of,
    started_early,
)
from sagebrush.services.sagemaker.experiments.running import experiments_of
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.tagging import add_tags

_SORT = {"CreationTime": "created", "Name": "name", "Status": "status"}
_CHANGEABLE = ("Description", "ModelVariants", "DataStorageConfig", "ShadowModeConfig")


def create_inference_experiment(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept an experiment; it begins at its time."""
    name = request["Name"]
    arn = records.arn_of(records.INFERENCE_EXPERIMENT, context.account, context.region, name)
    if _found(context, name) is not None:
        raise faults.name_in_use("Inference experiment", arn)
    endpoint = records.get(context, records.ENDPOINT, request["EndpointName"])
    if endpoint.status not in records.SERVING:
        raise faults.invalid(
            f'Endpoint "{endpoint.arn}" is in status {endpoint.status}; an inference experiment'
            " needs an endpoint that is InService."
        )
    check_admitted(context, request, endpoint)
    schedule = schedule_of(request.get("Schedule", {}), context.now)
    experiment = records.insert(context, records.INFERENCE_EXPERIMENT, name, request, "Creating")
    experiment.state = {
        "start": schedule.start,
        "end": schedule.end,
        "endpoint_created": endpoint.created,
    }
    other = rival(context, experiment, schedule)
    if other is not None:
        raise ApiError("ResourceInUse", _taken(endpoint.name, other))
    records.save(context.db, experiment, context.now)
    add_tags(context.db, experiment.arn, request.get("Tags", []))
    experiments_of(context.platform).begin(experiment)
    return {"InferenceExperimentArn": experiment.arn}


def describe_inference_experiment(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return everything about an experiment, and how its endpoint is."""
    experiment = _get(context, request["Name"])
    given = experiment.request
    kept = ("Type", "Description", "RoleArn", "DataStorageConfig", "ShadowModeConfig", "KmsKey")
    return {name: given[name] for name in kept if name in given} | {
        "Arn": experiment.arn,
        "Name": experiment.name,
        "Status": experiment.status,
        "StatusReason": experiment.state.get("reason"),
        "Schedule": _schedule(experiment),
        "CreationTime": experiment.created,
        "CompletionTime": experiment.state.get("completed"),
        "LastModifiedTime": experiment.modified,
        "EndpointMetadata": _endpoint(context, experiment),
        "ModelVariants": [
            variant | {"Status": _variant_status(context, experiment, variant["VariantName"])}
            for variant in given["ModelVariants"]
        ],
    }


def list_inference_experiments(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of experiments."""
    found, token = records.page(context, records.INFERENCE_EXPERIMENT, request, _SORT)
    return {
        "InferenceExperiments": [
            {
                "Name": experiment.name,
                "Type": experiment.request["Type"],
                "Schedule": _schedule(experiment),
                "Status": experiment.status,
                "StatusReason": experiment.state.get("reason"),
                "Description": experiment.request.get("Description"),
                "CreationTime": experiment.created,
                "CompletionTime": experiment.state.get("completed"),
                "LastModifiedTime": experiment.modified,
                "RoleArn": experiment.request["RoleArn"],
            }
            for experiment in found
        ],
        "NextToken": token,
    }


def update_inference_experiment(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Change an experiment that waits or runs; a running one reaches its endpoint at once.

    Of one that runs, its description, end and sampling percentage may change
    (shadow-tests-view-monitor-edit.md).
    """
    experiment = _get(context, request["Name"])
    if experiment.status not in ("Created", "Running"):
        raise conflict(experiment.name, experiment.status, "Created or Running")
    changes = {name: request[name] for name in _CHANGEABLE if name in request}
    if experiment.status == "Running":
        _require_changeable(experiment.request, changes)
    if "Schedule" in request:
        _reschedule(context, experiment, request["Schedule"])
    changed = experiment.request | changes
    if changes.keys() - {"Description"}:
        endpoint = records.get(context, records.ENDPOINT, experiment.request["EndpointName"])
        check_admitted(context, changed, endpoint)
        if experiment.status == "Running":
            experiment.status = "Updating"
    experiment.request = changed
    return _saved(context, experiment)


def start_inference_experiment(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Start an experiment before its time."""
    experiment = _get(context, request["Name"])
    if experiment.status != "Created":
        raise conflict(experiment.name, experiment.status, "Created")
    state = experiment.state
    schedule = started_early(Schedule(state["start"], state["end"]), context.now)
    _check_alone(context, experiment, schedule)
    state |= {"start": schedule.start, "end": schedule.end}
    experiment.status = "Starting"
    return _saved(context, experiment)


def stop_inference_experiment(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """End an experiment before its time, and say what becomes of its variants."""
    experiment = _get(context, request["Name"])
    if experiment.status not in ("Created", "Running"):
        raise conflict(experiment.name, experiment.status, "Created or Running")
    check_actions(request, experiment.request)
    experiment.state["stop"] = {
        "actions": request["ModelVariantActions"],
        "desired": request.get("DesiredModelVariants", []),
        # The guide: a test that is concluded early shows as cancelled.
        "status": request.get("DesiredState", "Cancelled"),
        "reason": request.get("Reason"),
    }
    if experiment.status == "Created":
        # Nothing of it has reached the endpoint.
        experiment.state.pop("before", None)
    experiment.status = "Stopping"
    return _saved(context, experiment)


def delete_inference_experiment(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget an experiment that is over, or has not begun; its endpoint stays."""
    experiment = _get(context, request["Name"])
    if experiment.status not in (*ENDED, "Created"):
        raise conflict(experiment.name, experiment.status, "Created, Completed or Cancelled")
    records.delete(context.db, experiment)
    experiments_of(context.platform).wake(experiment)
    return {"InferenceExperimentArn": experiment.arn}


def _found(context: Context, name: str) -> Resource | None:
    kind = records.INFERENCE_EXPERIMENT
    return records.find(context.db, kind, context.account, context.region, name)


def _get(context: Context, name: str) -> Resource:
    experiment = _found(context, name)
    if experiment is None:
        raise ApiError("ResourceNotFound", f"Could not find inference experiment {name}.")
    return experiment


def _saved(context: Context, experiment: Resource) -> dict[str, Any]:
    records.save(context.db, experiment, context.now)
    experiments_of(context.platform).wake(experiment)
    return {"InferenceExperimentArn": experiment.arn}


def _require_changeable(current: dict[str, Any], changes: dict[str, Any]) -> None:
    """Raise `ApiError` where a running experiment would get other variants, models or captures."""
    for member in ("ModelVariants", "DataStorageConfig"):
        if member in changes and changes[member] != current.get(member):
            raise faults.invalid(
                f"The {member} of a running inference experiment cannot be changed."
            )
    mode = changes.get("ShadowModeConfig", current["ShadowModeConfig"])
    if _names_in(mode) != _names_in(current["ShadowModeConfig"]):
        raise faults.invalid(
            "Of the ShadowModeConfig of a running inference experiment only SamplingPercentage can"
            " be changed."
        )


def _names_in(mode: dict[str, Any]) -> list[str]:
    shadows = [variant["ShadowModelVariantName"] for variant in mode["ShadowModelVariants"]]
    return [mode["SourceModelVariantName"], *shadows]


def _reschedule(context: Context, experiment: Resource, given: dict[str, Any]) -> None:
    """Change start and end; of a running experiment only the end."""
    state = experiment.state
    if experiment.status == "Running" and "StartTime" in given:
        raise faults.invalid("The StartTime of a running inference experiment cannot be changed.")
    start = given.get("StartTime", state["start"])
    schedule = checked(Schedule(start, given.get("EndTime", state["end"])))
    _check_alone(context, experiment, schedule)
    state |= {"start": schedule.start, "end": schedule.end}


def _check_alone(context: Context, experiment: Resource, schedule: Schedule) -> None:
    other = rival(context, experiment, schedule)
    if other is not None:
        raise ApiError("ConflictException", _taken(experiment.request["EndpointName"], other))


def _taken(endpoint: str, other: str) -> str:
    return f"Endpoint {endpoint} has inference experiment {other} at that time."


def _schedule(experiment: Resource) -> dict[str, float]:
    return {"StartTime": experiment.state["start"], "EndTime": experiment.state["end"]}


def _endpoint(context: Context, experiment: Resource) -> dict[str, Any]:
    name = experiment.request["EndpointName"]
    endpoint = records.find(
        context.db, records.ENDPOINT, experiment.account, experiment.region, name
    )
    if endpoint is None:
        return {"EndpointName": name}
    return {
        "EndpointName": name,
        "EndpointConfigName": endpoint.state["config_name"],
        "EndpointStatus": endpoint.status,
        "FailureReason": endpoint.state.get("failure_reason"),
    }


def _variant_status(context: Context, experiment: Resource, name: str) -> str:
    """Return how far the deployment of a variant is."""
    endpoint = records.find(
        context.db,
        records.ENDPOINT,
        experiment.account,
        experiment.region,
        experiment.request["EndpointName"],
    )
    serving = [] if endpoint is None else endpoint.state["variants"]
    if any(item["variant"]["VariantName"] == name for item in serving):
        return {"Updating": "Updating", "Stopping": "Deleting"}.get(experiment.status, "InService")
    return "Deleted" if experiment.status in ENDED else "Creating"
