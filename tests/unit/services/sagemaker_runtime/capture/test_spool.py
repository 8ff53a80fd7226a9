"""The spool: captured lines reach S3 whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.base.settings import Settings
from sagebrush.engines.objects import ObjectEntry
from sagebrush.gateway.assembly import assemble
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.capture import spool as module
from sagebrush.services.sagemaker_runtime.capture.spool import Destination, Spool

ACCOUNT, REGION, BUCKET = "111122223333", "us-east-1", "captured"
DESTINATION = Destination(ACCOUNT, REGION, f"s3://{BUCKET}/data/capture/", "churn", "blue")
# 2023-11-14T22:13:20Z
NOW = 1_700_000_000.0


class Scene:
    """A spool on a data directory."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(NOW)
        self.platform: Platform = assemble(Settings(data_dir=folder, port=0), self.clock)
        self.spool = Spool(self.platform)

    def bucket(self) -> None:
        self.platform.objects.buckets.create(ACCOUNT, REGION, BUCKET, NOW)

    def contents(self) -> dict[str, bytes]:
        entries = self.platform.objects.list(BUCKET, "")
        return {
            entry.key: self.platform.objects.read(entry)
            for entry in entries
            if isinstance(entry, ObjectEntry)
        }

    def close(self) -> None:
        self.platform.objects.close()
        self.platform.db.close()


def play(tmp_path: Path, story: Callable[[Scene], Awaitable[None]], *, bucket: bool = True) -> None:
    async def whole() -> None:
        scene = Scene(tmp_path)
        try:
            if bucket:
                scene.bucket()
            await story(scene)
        finally:
            for task in scene.platform.tasks:
                task.cancel()
            scene.close()

    asyncio.run(whole())


async def settled(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "capture").rglob("*.jsonl"))


def test_lines_are_uploaded_after_a_few_seconds_of_the_clock(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.spool.append(DESTINATION, NOW, b"one\n")
        scene.spool.append(DESTINATION, NOW + 1, b"two\n")
        await asyncio.sleep(0.01)
        assert scene.contents() == {}
        scene.clock.advance(10)
        await settled(scene.contents)
        ((key, body),) = scene.contents().items()
        assert body == b"one\ntwo\n"
        prefix, _, name = key.rpartition("/")
        assert prefix == "data/capture/churn/blue/2023/11/14/22"
        assert name.startswith("13-20-000-")
        await settled(lambda: not left(tmp_path))
        assert list((tmp_path / "capture").iterdir()) == []
        scene.spool.append(DESTINATION, NOW + 20, b"three\n")
        await scene.spool.flush()
        assert sorted(scene.contents().values()) == [b"one\ntwo\n", b"three\n"]

    play(tmp_path, story)


def test_every_hour_and_every_variant_has_files_of_its_own(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.spool.append(DESTINATION, NOW, b"one\n")
        scene.spool.append(DESTINATION, NOW + 3600, b"two\n")
        scene.spool.append(DESTINATION._replace(variant="green"), NOW, b"three\n")
        await scene.spool.flush()
        await settled(lambda: len(scene.contents()) == 3)
        assert {
            (key.split("/")[3], key.split("/")[7]): body for key, body in scene.contents().items()
        } == {
            ("blue", "22"): b"one\n",
            ("blue", "23"): b"two\n",
            ("green", "22"): b"three\n",
        }

    play(tmp_path, story)


def test_what_a_killed_server_captured_is_uploaded_by_the_next(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.spool.append(DESTINATION, NOW, b"one\n")
        heir = Spool(scene.platform)
        heir.append(DESTINATION, NOW, b"growing\n")
        await heir.resume()
        assert list(scene.contents().values()) == [b"one\n"]
        assert len(left(tmp_path)) == 1
        await heir.flush()
        assert sorted(scene.contents().values()) == [b"growing\n", b"one\n"]

    play(tmp_path, story)


def test_much_is_uploaded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAXIMUM_BYTES", 8)

    async def story(scene: Scene) -> None:
        scene.spool.append(DESTINATION, NOW, b"12345678\n")
        await settled(scene.contents)

    play(tmp_path, story)


def test_without_a_bucket_nothing_is_kept_and_nobody_is_bothered(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.spool.append(DESTINATION, NOW, b"one\n")
        await scene.spool.flush()
        assert left(tmp_path) == []

    play(tmp_path, story, bucket=False)


def test_capture_pauses_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    monkeypatch.setattr(module, "_is_full", lambda _: full)

    async def story(scene: Scene) -> None:
        nonlocal full
        scene.spool.append(DESTINATION, NOW, b"one\n")
        full = False
        scene.spool.append(DESTINATION, NOW, b"two\n")
        scene.clock.advance(10)
        scene.spool.append(DESTINATION, NOW, b"three\n")
        await scene.spool.flush()
        assert list(scene.contents().values()) == [b"three\n"]

    play(tmp_path, story)


def test_a_disk_that_fails_does_not_fail_the_invocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def story(scene: Scene) -> None:
        monkeypatch.setattr(module, "_File", refuse)
        scene.spool.append(DESTINATION, NOW, b"one\n")

    play(tmp_path, story)
