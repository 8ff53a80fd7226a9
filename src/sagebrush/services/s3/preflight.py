"""Preflight requests of browsers (OPTIONS on a bucket or an object)."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.s3.cors import answer_headers, matching_rule
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.reach import find_bucket
from sagebrush.services.s3.settings import read_setting


def options_bucket(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Say whether a page of `Origin` may send the request it plans."""
    return _preflight(context, request)


def options_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Say whether a page of `Origin` may send the request it plans."""
    return _preflight(context, request)


def _preflight(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    origin, method = request.get("Origin"), request.get("RequestMethod")
    if not origin:
        raise fault("BadRequest", "Insufficient information. Origin request header needed.")
    if not method:
        raise fault("BadRequest", "Invalid Access-Control-Request-Method: null")
    bucket = find_bucket(context, request)
    rules = read_setting(context.db, bucket.id, "cors")
    if rules is None:
        raise _forbidden("CORSResponse: CORS is not enabled for this bucket.", method)
    asked = request.get("RequestHeaders") or ""
    headers = [name.strip() for name in asked.split(",") if name.strip()]
    rule = matching_rule(rules, origin, method, headers)
    if rule is None:
        raise _forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution"
            " of Origin, request method / Access-Control-Request-Method or"
            " Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
            method,
        )
    context.extra_headers |= answer_headers(rule, origin)
    if headers:
        context.extra_headers["Access-Control-Allow-Headers"] = ", ".join(headers).lower()
    return {}


def _forbidden(message: str, method: str) -> Exception:
    return fault("AccessForbidden", message, Method=method, ResourceType="OBJECT")
