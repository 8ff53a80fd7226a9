"""GetAuthorizationToken, and the registry itself."""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from typing import Any

from sagebrush.services.ecr.records import registry_host
from sagebrush.services.platform import Context

_VALID_S = 12 * 3600.0


def get_authorization_token(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a token in the form that container clients log in with."""
    registries = request.get("registryIds") or [context.account]
    host = registry_host(context)
    data = [
        {
            "authorizationToken": b64encode(b"AWS:" + secrets.token_urlsafe(96).encode()).decode(),
            # Container clients compare it with their own clocks.
            "expiresAt": time.time() + _VALID_S,
            "proxyEndpoint": f"https://{host.replace(context.account, registry, 1)}",
        }
        for registry in registries
    ]
    return {"authorizationData": data}


def describe_registry(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the registry; nothing is replicated."""
    del request
    return {"registryId": context.account, "replicationConfiguration": {"rules": []}}
