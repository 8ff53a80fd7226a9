"""Search: resources of one type that satisfy an expression.

A resource file joins with one line in `_SEARCHABLE`: a function that lists its resources in wire
form, the member of a result they go into, and the member that holds their ARN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults, records, searching
from sagebrush.services.sagemaker.descriptions import describe, job_arn
from sagebrush.services.sagemaker.tagging import tags_by_arn
from sagebrush.services.sagemaker.tuning import records as tuning_records
from sagebrush.services.sagemaker.tuning.descriptions import describe as describe_tuning_job

_PAGE = 10


class _Searchable(NamedTuple):
    documents: Callable[[Context], list[dict[str, Any]]]
    identity: str


def search(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell a page of matching resources, last modified first unless asked otherwise."""
    resource = request["Resource"]
    searchable = _SEARCHABLE.get(resource)
    if searchable is None:
        raise faults.unsupported(f"Search for resources of the type {resource}")
    expression = request.get("SearchExpression")
    documents = searchable.documents(context)
    if expression is not None:
        searching.check_expression(expression)
        documents = [d for d in documents if searching.matches(expression, d)]
    shown, following = searching.page(
        documents,
        searchable.identity,
        request.get("SortBy", "LastModifiedTime"),
        descending=request.get("SortOrder", "Descending") == "Descending",
        token=request.get("NextToken"),
        limit=request.get("MaxResults", _PAGE),
    )
    answer: dict[str, Any] = {
        "Results": [{resource: document} for document in shown],
        "TotalHits": {"Value": len(documents), "Relation": "EqualTo"},
    }
    if following is not None:
        answer["NextToken"] = following
    return answer


def _training_jobs(context: Context) -> list[dict[str, Any]]:
    jobs = records.jobs_of(context.db, context.account, context.region)
    tags = tags_by_arn(
        context.db, [job_arn(context.account, context.region, job.name) for job in jobs]
    )
    documents = []
    for job in jobs:
        document = describe(job)
        document["Tags"] = tags.get(document["TrainingJobArn"], [])
        documents.append(document)
    return documents


def _tuning_jobs(context: Context) -> list[dict[str, Any]]:
    jobs = tuning_records.jobs_of(context.db, context.account, context.region)
    documents = [describe_tuning_job(context.db, job, context.now) for job in jobs]
    tags = tags_by_arn(context.db, [each["HyperParameterTuningJobArn"] for each in documents])
    for document in documents:
        document.pop("Autotune", None)  # no member of a search result
        document["Tags"] = tags.get(document["HyperParameterTuningJobArn"], [])
    return documents


_SEARCHABLE = {
    "HyperParameterTuningJob": _Searchable(_tuning_jobs, "HyperParameterTuningJobArn"),
    "TrainingJob": _Searchable(_training_jobs, "TrainingJobArn"),
}
