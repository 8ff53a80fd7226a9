"""What a task is doing, at the moments when it is hard to tell."""

from __future__ import annotations

import asyncio

from sagebrush.base.activity import Activity, activity


def test_who_is_about_to_be_told_that_what_it_waited_for_is_over_is_at_work() -> None:
    async def run() -> list[Activity]:
        child = asyncio.create_task(asyncio.sleep(0))
        parent = asyncio.create_task(asyncio.wait([child]))
        found = []
        while not parent.done():
            await asyncio.sleep(0)
            if child.done() and not parent.done():
                found.append(activity(parent, set()))
        return found

    seen = asyncio.run(run())
    assert seen
    assert set(seen) == {Activity.AT_WORK}


def test_who_waits_for_an_event_waits() -> None:
    async def run() -> Activity:
        task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        found = activity(task, set())
        task.cancel()
        return found

    assert asyncio.run(run()) is Activity.WAITING
