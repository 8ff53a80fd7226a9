"""What is under way for a resource ends, follows or gives way, whatever becomes of the row."""

from __future__ import annotations

import asyncio

from tests.unit.services.sagemaker.hosting.conftest import Scene

from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.works import Works


class Kept:
    """Works for an endpoint that is there, and what they have done."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.name = scene.endpoint()
        self.done: list[str] = []
        self.platform = scene.server.platform
        self.works = Works(
            self.platform, "thing", lambda resource: resource.name, lambda *_: self.do("failed")
        )

    def do(self, what: str) -> None:
        self.done.append(what)

    def row(self) -> Resource:
        return self.scene.row(self.name)

    def write(self, status: str) -> Resource:
        row = self.row()
        row.status = status
        records.save(self.platform.db, row, 0.0)
        return row

    async def finish(self) -> list[str]:
        await self.works.finished(self.name)
        assert self.works.idle
        # As the endpoint really is: it goes the usual way at the end of the test.
        self.write("InService")
        return self.done


def test_works_follow_one_another(scene: Scene) -> None:
    kept = Kept(scene)

    async def slow(_row: Resource) -> None:
        await asyncio.sleep(0.01)
        kept.do("slow")

    async def fast(_row: Resource) -> None:
        kept.do("fast")

    async def story() -> list[str]:
        kept.works.begin(kept.row(), slow)
        kept.works.begin(kept.row(), fast)
        assert not kept.works.idle
        return await kept.finish()

    assert scene.server.run(story()) == ["slow", "fast"]


def test_what_gives_way_cannot_write_its_own_view_of_the_row(scene: Scene) -> None:
    """Even where it was just about to, as the request for something else was answered."""
    kept = Kept(scene)

    async def create(row: Resource) -> None:
        await asyncio.sleep(0)
        row.status = "InService"
        records.save(kept.platform.db, row, 0.0)

    async def remove(row: Resource) -> None:
        kept.do(f"removed while {row.status}")

    async def story() -> list[str]:
        kept.works.begin(kept.write("Creating"), create)
        await asyncio.sleep(0)
        # Its next turn has come: what is begun now would be too late to stop it.
        kept.works.begin_instead(kept.write("Deleting"), remove, lambda _: kept.do("otherwise"))
        return await kept.finish()

    assert scene.server.run(story()) == ["removed while Deleting"]


def test_a_transaction_rolled_back_leaves_the_resource_to_what_its_row_says(scene: Scene) -> None:
    kept = Kept(scene)

    async def forever(_row: Resource) -> None:
        await asyncio.Event().wait()

    async def remove(_row: Resource) -> None:
        kept.do("removed")

    async def again(row: Resource) -> None:
        kept.do(f"again {row.status}")

    async def story() -> list[str]:
        row = kept.write("Creating")
        kept.works.begin(row, forever)
        await asyncio.sleep(0)
        unsaved = kept.row()
        unsaved.status = "Deleting"
        kept.works.begin_instead(unsaved, remove, lambda row: kept.works.begin(row, again))
        return await kept.finish()

    assert scene.server.run(story()) == ["again Creating"]


def test_what_the_row_does_not_say_is_not_begun(scene: Scene) -> None:
    kept = Kept(scene)

    async def work(_row: Resource) -> None:
        kept.do("work")

    async def story() -> list[str]:
        unsaved = kept.row()
        unsaved.status = "Updating"
        kept.works.begin(unsaved, work)
        return await kept.finish()

    assert scene.server.run(story()) == []


def test_a_defect_is_written_down(scene: Scene) -> None:
    kept = Kept(scene)

    async def defect(_row: Resource) -> None:
        raise KeyError("a defect")

    async def story() -> list[str]:
        kept.works.begin(kept.row(), defect)
        return await kept.finish()

    assert scene.server.run(story()) == ["failed"]
