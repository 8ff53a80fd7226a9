"""Multi-model instances whose containers have known room."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.engines.fleets import (
    Answer,
    FleetError,
    Instance,
    ServerLostError,
    Variant,
)
from sagebrush.services.minute_sums import MinuteSums, minute_sums_of
from sagebrush.services.sagemaker.hosting.multi_model.models import VariantModels


class Container:
    """A model server with room for so many models, in the place of a process."""

    healthy = True
    outstanding = 0

    def __init__(self, folder: Path, room: int = 100) -> None:
        self.folder = folder
        self.room = room
        self.incarnation = 1
        self.loaded: list[str] = []
        self.calls: list[str] = []
        self.refuses: dict[str, Answer | FleetError] = {}
        self.gate: Callable[[], Awaitable[None]] | None = None
        self.page = 100

    def die(self) -> None:
        """End, and be replaced by a process that knows nothing."""
        self.incarnation += 1
        self.loaded = []

    async def inquire(self, message: bytes, timeout_s: float) -> Answer:
        head, _, body = message.partition(b"\r\n\r\n")
        method, path, _ = head.partition(b"\r\n")[0].decode().split(" ")
        if method == "GET":
            return self._list(path)
        if method == "POST":
            name = json.loads(body)["model_name"]
            assert json.loads(body)["url"] == f"/opt/ml/models/{name}/model"
            assert (self.folder / "models" / name / "model").is_dir()
            return await self._load(name)
        name = path.rpartition("/")[2]
        self.calls.append(f"unload {name}")
        if name not in self.loaded:
            return Answer(404, {}, b"")
        self.loaded.remove(name)
        return Answer(200, {}, b"{}")

    def _list(self, path: str) -> Answer:
        self.calls.append("list")
        start = int(path.partition("next_page_token=")[2] or 0)
        page = self.loaded[start : start + self.page]
        document: dict[str, Any] = {
            "models": [{"modelName": name, "modelUrl": "u"} for name in page]
        }
        if start + self.page < len(self.loaded):
            document["nextPageToken"] = str(start + self.page)
        return Answer(200, {}, json.dumps(document).encode())

    async def _load(self, name: str) -> Answer:
        self.calls.append(f"load {name}")
        if self.gate is not None:
            await self.gate()
        refusal = self.refuses.get(name)
        if isinstance(refusal, FleetError):
            raise refusal
        if refusal is not None:
            return refusal
        if name in self.loaded:
            return Answer(409, {}, b"")
        if len(self.loaded) >= self.room:
            return Answer(507, {}, b"no room")
        self.loaded.append(name)
        return Answer(200, {}, b"{}")

    def count(self, what: str) -> int:
        """How many calls there were of a kind."""
        return sum(call.startswith(what) for call in self.calls)


class Scene:
    """A variant of multi-model instances whose archives lie in a bucket."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.bucket = server.bucket()
        self.containers: list[Container] = []
        self.models: VariantModels

    def variant(
        self, instances: int = 1, room: int = 100, volume_gib: int = 1, **fields: Any
    ) -> Variant:
        """Return a variant whose instances have room for so many models each."""
        definition = {"ModelDataUrl": f"s3://{self.bucket}/models", "Mode": "MultiModel"} | fields
        described = {
            "VariantName": "v",
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": volume_gib,
        }
        scope = ("111122223333", self.server.region, "e")
        platform = self.server.platform
        self.models = VariantModels(platform, scope, described, definition, "")
        found = []
        for number in range(instances):
            container = Container(self.folder / str(number), room)
            (container.folder / "models").mkdir(parents=True, exist_ok=True)
            self.containers.append(container)
            found.append(Instance(number, {"": container}, f"key-{number}"))  # type: ignore[dict-item]
        return Variant("v", 1.0, found)

    def put(self, name: str, words: str = "x", size: int = 0) -> None:
        """Upload an archive."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            member = tarfile.TarInfo("model")
            content = words.encode() or bytes(size)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        self.server.put(self.bucket, f"models/{name}", buffer.getvalue())

    async def ask(self, instance: Instance, model: str) -> str:
        """Use a model once."""
        async with self.models.use(instance, model) as name:
            container: Any = instance.sole
            if name not in container.loaded:
                raise ServerLostError("the model is not there")
            await asyncio.sleep(0)
        return name

    def sums(self) -> dict[str, tuple[int, float]]:
        """Return count and sum of every metric."""

        async def found_sums() -> MinuteSums:
            return minute_sums_of(self.server.platform)

        sums = self.server.run(found_sums())._sums
        found: dict[str, tuple[int, float]] = {}
        for (series, _), (count, total, *_) in sums.items():
            before = found.get(series.name, (0, 0.0))
            found[series.name] = before[0] + int(count), before[1] + total
        return found


@pytest.fixture
def scene(server: Any, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path)


def play(scene: Scene, story: Awaitable[Any]) -> Any:
    async def told() -> Any:
        return await story

    return scene.server.run(told())
