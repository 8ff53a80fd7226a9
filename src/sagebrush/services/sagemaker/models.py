"""Models: images and the artefacts they serve."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.containers import check_model
from sagebrush.services.sagemaker.tagging import add_tags

_SORT = {"CreationTime": "created", "Name": "name"}


def create_model(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep a model whose images and artefacts exist."""
    check_model(context, request)
    resource = records.insert(context, records.MODEL, request["ModelName"], request)
    add_tags(context.db, resource.arn, request.get("Tags", []))
    return {"ModelArn": resource.arn}


def describe_model(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return a model as it was created."""
    model = records.get(context, records.MODEL, request["ModelName"])
    told = {name: value for name, value in model.request.items() if name != "Tags"}
    return (
        {"EnableNetworkIsolation": False}
        | told
        | {
            "ModelArn": model.arn,
            "CreationTime": model.created,
        }
    )


def list_models(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of models."""
    models, token = records.page(context, records.MODEL, request, _SORT)
    return {
        "Models": [
            {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}
            for model in models
        ],
        "NextToken": token,
    }


def delete_model(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a model; endpoints that serve it keep their own copy."""
    records.delete(context.db, records.get(context, records.MODEL, request["ModelName"]))
    return {}
