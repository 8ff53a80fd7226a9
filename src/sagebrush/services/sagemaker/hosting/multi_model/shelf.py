"""The models of one instance: which are loaded, who uses them, which has to go for another."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from sagebrush.base.errors import ApiError, SagebrushError
from sagebrush.engines.fleets import FleetError, ModelServer, NotLoadedError, ServerLostError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.multi_model.container import LOAD_TIMEOUT_S, Container
from sagebrush.services.sagemaker.hosting.multi_model.measures import Measures
from sagebrush.services.sagemaker.hosting.multi_model.storage import Storage, name_of_model
from sagebrush.services.served import LoadRefusedError

# How long a request waits for its model (invoke-multi-model-endpoint.md).
WAIT_S = 60.0
_CONFLICT, _NO_ROOM = 409, 507
_NOT_FOUND = 404

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Model:
    """A model that a request asked for; `users` are the requests that need it now."""

    name: str
    target: str
    users: int = 0
    is_loaded: bool = False
    loading: asyncio.Task[None] | None = field(default=None, repr=False)


class Shelf:
    """Loads and unloads the models of one model server."""

    def __init__(
        self,
        platform: Platform,
        server: ModelServer,
        storage: Storage,
        measures: Measures,
        *,
        keeps: bool,
    ) -> None:
        self.server = server
        self._platform = platform
        self._container = Container(server)
        self._storage = storage
        self._measures = measures
        self._keeps = keeps
        # By name, the least recently used first.
        self._models: dict[str, Model] = {}
        self._incarnation = 0
        self._asking = False
        # One at a time decides what has to go for what.
        self._room = asyncio.Lock()
        self._freed = asyncio.Event()

    def has(self, target: str) -> bool:
        """Whether a model is loaded, or about to be."""
        model = self._models.get(name_of_model(target))
        return model is not None and (model.is_loaded or model.loading is not None)

    @property
    def loaded_count(self) -> int:
        """How many models are loaded."""
        return sum(model.is_loaded for model in self._models.values())

    def tell_count(self) -> None:
        """Tell how many models are loaded; a process not talked to yet is asked first."""
        if not self.server.healthy:
            self._measures.uncounted()
        elif self._incarnation == self.server.incarnation:
            self._measures.counted(self.loaded_count)
        elif not self._asking:
            self._asking = True
            self._platform.spawn(self._ask_what_is_loaded(), "asking what models are loaded")

    async def take(self, target: str) -> Model:
        """Return a model once it is loaded; it stays until it is given back.

        Raises:
            ApiError: ModelNotReadyException when it is not loaded in time, ValidationError when
                there is no such model or it is no archive.
            LoadRefusedError: the model server does not take it.
            FleetError: the model server gave no answer.
        """
        began = time.perf_counter()
        await self._catch_up()
        name = name_of_model(target)
        model = self._models.pop(name, None) or Model(name, target)
        self._models[name] = model
        was_loaded = model.is_loaded
        model.users += 1
        try:
            await self._wait_for(model)
        except BaseException:
            self.give_back(model)
            raise
        self._measures.taken(time.perf_counter() - began, was_loaded=was_loaded)
        return model

    def give_back(self, model: Model) -> None:
        """Let a model go, should another need its place."""
        model.users -= 1
        if model.users:
            return
        self._freed.set()
        if not model.is_loaded and model.loading is None:
            if self._models.get(model.name) is model:
                del self._models[model.name]
        elif not self._keeps and model.is_loaded:
            self._platform.spawn(self._forget(model), f"unloading {model.target}")

    async def _wait_for(self, model: Model) -> None:
        if model.is_loaded:
            return
        if model.loading is None:
            model.loading = self._platform.spawn(self._load(model), f"loading {model.target}")
            # Whether anybody still waits for the outcome or not.
            model.loading.add_done_callback(_take_note)
        loading = model.loading
        done, _ = await asyncio.wait([loading], timeout=WAIT_S)
        if not done:
            raise ApiError(
                "ModelNotReadyException",
                f"Model {model.target} is not ready for inference yet. Please try again later.",
            )
        if loading.cancelled():
            raise ServerLostError("the server stops")
        error = loading.exception()
        if error is not None:
            raise error

    async def _load(self, model: Model) -> None:
        """Fetch and load a model, however long the requests wait that want it."""
        try:
            began = time.perf_counter()
            in_use = [each.name for each in self._models.values() if each.users or each.is_loaded]
            if await self._storage.fetch(model.target, in_use):
                self._measures.downloaded(time.perf_counter() - began)
            async with asyncio.timeout(LOAD_TIMEOUT_S), self._room:
                await self._load_in_turn(model)
        except TimeoutError:
            raise NotLoadedError(f"no room for model {model.target} was found in time") from None
        finally:
            model.loading = None
            if not model.users and not model.is_loaded:
                self._models.pop(model.name, None)

    async def _load_in_turn(self, model: Model) -> None:
        while True:
            began = time.perf_counter()
            incarnation = self.server.incarnation
            answer = await self._container.load(model.name, model.target)
            if answer.status in (200, _CONFLICT):
                if incarnation != self.server.incarnation:
                    raise ServerLostError("the model server was replaced")
                self._measures.counted(self.loaded_count)
                model.is_loaded = True
                self._measures.loaded(time.perf_counter() - began)
                return
            if answer.status != _NO_ROOM or not await self._make_room():
                raise LoadRefusedError(answer)

    async def _make_room(self) -> bool:
        """Unload the model that was not used for longest; False when none is loaded at all."""
        while True:
            loaded = [each for each in self._models.values() if each.is_loaded]
            if not loaded:
                return False
            unused = next((each for each in loaded if not each.users), None)
            if unused is not None:
                await self._unload(unused)
                return True
            self._freed.clear()
            await self._freed.wait()

    async def _unload(self, model: Model) -> None:
        began = time.perf_counter()
        self._measures.counted(self.loaded_count)
        # Before the container is told: who comes now must wait for it to be loaded again.
        model.is_loaded = False
        if self._models.get(model.name) is model:
            del self._models[model.name]
        answer = await self._container.unload(model.name)
        if answer.status not in (200, 204, _NOT_FOUND):
            raise LoadRefusedError(answer)
        self._measures.unloaded(time.perf_counter() - began)

    async def _forget(self, model: Model) -> None:
        """Remove a model that is used once only from memory and storage."""
        try:
            async with self._room:
                if model.users or not model.is_loaded:
                    return
                await self._unload(model)
                if model.name not in self._models:
                    await self._storage.remove(model.name)
        except (SagebrushError, OSError) as error:
            _log.warning("model %s cannot be unloaded: %s", model.target, error)

    async def _catch_up(self) -> None:
        """Find out what a process that we have not talked to yet has loaded."""
        if self._incarnation == self.server.incarnation:
            return
        async with self._room:
            incarnation = self.server.incarnation
            if self._incarnation == incarnation:
                return
            try:
                names = await self._container.loaded()
            except FleetError as error:
                raise ServerLostError(str(error)) from None
            for model in list(self._models.values()):
                model.is_loaded = model.name in names
                if not model.is_loaded and not model.users and model.loading is None:
                    del self._models[model.name]
            for name in names - set(self._models):
                # What requests call it does not matter: it can be used, and unloaded.
                self._models[name] = Model(name, name, is_loaded=True)
            self._incarnation = incarnation
            self._measures.counted(self.loaded_count)

    async def _ask_what_is_loaded(self) -> None:
        try:
            await self._catch_up()
        except ServerLostError as error:
            _log.info("it is not known what %s has loaded: %s", self.server.folder, error)
        finally:
            self._asking = False


def _take_note(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.info("%s: %s", task.get_name(), task.exception())
