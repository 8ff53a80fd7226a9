"""ListMetrics: which metrics have data."""

from __future__ import annotations

from itertools import islice
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.metrics import Series
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_PAGE = 500
_LISTED_S = 14 * 86_400.0
_RECENT_S = 3 * 3600.0


async def list_metrics(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of the metrics that had data in the last two weeks."""
    if request.get("IncludeLinkedAccounts"):
        raise ApiError("InvalidParameterValue", "Sagebrush does not support IncludeLinkedAccounts.")
    after_id = 0
    if "NextToken" in request:
        after_id = int(decode_token(request["NextToken"], "InvalidParameterValue", (int,))[0])
    listed_s = _RECENT_S if request.get("RecentlyActive") == "PT3H" else _LISTED_S
    series = context.platform.metrics.series(
        context.account,
        context.region,
        namespace=request.get("Namespace"),
        name=request.get("MetricName"),
        since=context.now - listed_s,
        after_id=after_id,
    )
    filters = request.get("Dimensions", [])
    found = list(islice((s for s in series if _has(s, filters)), _PAGE + 1))
    return {
        "Metrics": [_shape(s) for s in found[:_PAGE]],
        "NextToken": encode_token([found[_PAGE - 1].id]) if len(found) > _PAGE else None,
    }


def _has(series: Series, filters: list[dict[str, str]]) -> bool:
    return all(
        wanted["Name"] in series.dimensions
        and wanted.get("Value", series.dimensions[wanted["Name"]])
        == series.dimensions[wanted["Name"]]
        for wanted in filters
    )


def _shape(series: Series) -> dict[str, Any]:
    return {
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": [{"Name": k, "Value": v} for k, v in series.dimensions.items()],
    }
