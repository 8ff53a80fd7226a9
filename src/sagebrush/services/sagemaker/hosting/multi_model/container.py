"""The interface of a multi-model container (mms-container-apis.md), from the platform's side."""

from __future__ import annotations

from urllib.parse import quote

import orjson

from sagebrush.engines.fleets import Answer, ModelServer, NotLoadedError, compose
from sagebrush.services.sagemaker.hosting.serving import MODELS_ROOT

# How long a model may take to load (invoke-multi-model-endpoint.md).
LOAD_TIMEOUT_S = 360.0
_TIMEOUT_S = 60.0
_JSON = (("content-type", "application/json"), ("accept", "application/json"))


class Container:
    """What a model server is told about models, by their names in it."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    async def loaded(self) -> set[str]:
        """Return the names of all loaded models.

        Raises:
            FleetError: there is no answer, or none that can be read.
        """
        names: set[str] = set()
        token = ""
        while True:
            path = f"/models?next_page_token={quote(token, safe='')}" if token else "/models"
            answer = await self._server.inquire(compose("GET", path, _JSON), _TIMEOUT_S)
            try:
                document = orjson.loads(answer.body)
                names.update(model["modelName"] for model in document["models"])
            except (orjson.JSONDecodeError, TypeError, KeyError):
                raise NotLoadedError(
                    f"the container does not list its models: status {answer.status}"
                ) from None
            token = document.get("nextPageToken") or ""
            if not token:
                return names

    async def load(self, name: str, target: str) -> Answer:
        """Have a model loaded: 200, 409 if it is already, 507 if there is no memory for it."""
        body = orjson.dumps({"model_name": name, "url": f"{MODELS_ROOT}/{name}/model"})
        headers = (*_JSON, ("x-amzn-sagemaker-target-model", target))
        message = compose("POST", "/models", headers, body)
        return await self._server.inquire(message, LOAD_TIMEOUT_S)

    async def unload(self, name: str) -> Answer:
        """Have a model's memory given back: 200, 404 if it is not loaded."""
        message = compose("DELETE", f"/models/{name}", (("accept", "application/json"),))
        return await self._server.inquire(message, _TIMEOUT_S)
