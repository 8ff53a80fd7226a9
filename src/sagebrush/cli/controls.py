"""The server's own controls, as the commands use them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, cast

from sagebrush.base.errors import ConfigurationError

_TIMEOUT_S = 10.0


def control(
    endpoint: str,
    page: str,
    wanted: dict[str, Any] | None = None,
    *,
    method: str | None = None,
    timeout_s: float | None = _TIMEOUT_S,
) -> dict[str, Any]:
    """Return a page of the server, after it did what is `wanted`.

    Raises:
        ConfigurationError: nothing answers there, or the server refuses.
    """
    body = None if wanted is None else json.dumps(wanted).encode()
    request = urllib.request.Request(  # noqa: S310 - the user's own server
        f"{endpoint}/_sagebrush/{page}",
        body,
        {} if body is None else {"content-type": "application/json"},
        method=method,
    )
    # The address is the user's own server, and a proxy variable may point at it too.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return cast("dict[str, Any]", json.load(answer))
    except urllib.error.HTTPError as error:
        raise ConfigurationError(_message(error)) from None
    except OSError as error:
        raise ConfigurationError(
            f"no server answers at {endpoint} ({error}); start one with `sagebrush up`"
        ) from None


def _message(error: urllib.error.HTTPError) -> str:
    body = error.read()
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {error.code}: {body[:200].decode('utf-8', 'replace')}"
