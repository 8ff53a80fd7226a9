"""Calls of a running server's JSON services by the command line itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, cast

from sagebrush.base.errors import ConfigurationError

LOGS = "Logs_20140328"
SAGEMAKER = "SageMaker"
_TIMEOUT_S = 30.0


class Refused(Exception):
    """The server answered an error; `code` is AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ServerCalls:
    """Calls of the server's JSON services, unsigned: for a server that checks none."""

    def __init__(self, endpoint: str, region: str, account: str) -> None:
        self._endpoint = endpoint
        self._scope = f"AWS4-HMAC-SHA256 Credential={account}/00000000/{region}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, target: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer.

        Raises:
            Refused: the service refused the call.
            ConfigurationError: nothing answers.
        """
        signing_name = "logs" if target == LOGS else "sagemaker"
        request = urllib.request.Request(  # noqa: S310 - the user's own server
            f"{self._endpoint}/",
            json.dumps(parameters).encode(),
            {
                "content-type": "application/x-amz-json-1.1",
                "x-amz-target": f"{target}.{operation}",
                "authorization": f"{self._scope}/{signing_name}/aws4_request, SignedHeaders=host,"
                " Signature=0",
            },
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return cast("dict[str, Any]", json.load(answer))
        except urllib.error.HTTPError as error:
            body = json.loads(error.read() or b"{}")
            code = str(body.get("__type", error.code)).rpartition("#")[2]
            message = body.get("message") or body.get("Message") or str(error)
            raise Refused(code, message) from None
        except OSError as error:
            raise ConfigurationError(f"no server answers at {self._endpoint}: {error}") from None
