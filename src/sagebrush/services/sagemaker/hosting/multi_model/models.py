"""The models of a multi-model container on all instances of a variant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sagebrush.engines.fleets import Instance, Variant
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.containers import models_prefix
from sagebrush.services.sagemaker.hosting.multi_model.measures import Measures
from sagebrush.services.sagemaker.hosting.multi_model.shelf import Shelf
from sagebrush.services.sagemaker.hosting.multi_model.storage import Storage
from sagebrush.services.sagemaker.hosting.serving import models_folder
from sagebrush.services.sagemaker.instances import instance_of

_GIB = 1 << 30
_DEFAULT_VOLUME_GIB = 30


class VariantModels:
    """Which instance has which models; what `services.served.ManyModels` promises.

    `key` is the name of the container within an instance.
    """

    def __init__(
        self,
        platform: Platform,
        scope: tuple[str, str, str],
        variant: Mapping[str, Any],
        container: dict[str, Any],
        key: str,
    ) -> None:
        self._platform = platform
        self._scope = scope
        self._variant = variant
        self._prefix = models_prefix(container)
        cache = container.get("MultiModelConfig", {}).get("ModelCacheSetting", "Enabled")
        self._keeps = cache == "Enabled"
        self._key = key
        size = instance_of(variant.get("InstanceType", ""))
        self._busy = size.cpu_count if size is not None else 1
        self._shelves: dict[str, Shelf] = {}

    def choose(self, variant: Variant, instance: Instance, model: str) -> Instance:
        """Return the instance that shall answer for `model`: `instance`, or one that has it.

        A model stays where it is loaded, and comes to another instance when those that have it
        have more to do than processors.
        """
        if len(variant.instances) == 1:
            return instance
        having = [
            each for each in variant.instances if each.healthy and self._shelf(each).has(model)
        ]
        if not having:
            return instance
        chosen = min(having, key=lambda each: each.outstanding)
        if chosen.outstanding >= self._busy and instance.outstanding < chosen.outstanding:
            return instance
        return chosen

    @asynccontextmanager
    async def use(self, instance: Instance, model: str) -> AsyncIterator[str]:
        """Have the model loaded on an instance meanwhile; errors as `Shelf.take`."""
        shelf = self._shelf(instance)
        instance.engaged += 1
        try:
            taken = await shelf.take(model)
        finally:
            instance.engaged -= 1
        try:
            yield taken.name
        finally:
            shelf.give_back(taken)

    def tell_count(self, instance: Instance) -> None:
        """Tell how many models an instance has loaded, for each minute that was not told yet."""
        self._shelf(instance).tell_count()

    def _shelf(self, instance: Instance) -> Shelf:
        server = instance.servers[self._key]
        shelf = self._shelves.get(instance.key)
        if shelf is None or shelf.server is not server:
            folder = models_folder(server.folder)
            volume_gib = self._variant.get("VolumeSizeInGB", _DEFAULT_VOLUME_GIB)
            storage = Storage(self._platform, folder, self._prefix, volume_gib * _GIB)
            name = str(self._variant.get("VariantName", ""))
            measures = Measures(self._platform, *self._scope, name)
            shelf = Shelf(self._platform, server, storage, measures, keeps=self._keeps)
            self._shelves[instance.key] = shelf
        return shelf
