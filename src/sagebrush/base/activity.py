"""What an asyncio task is doing: whether a step of the clock has to wait for it.

A task that was woken may sleep on the clock again through others: it gathers tasks that sleep, or
waits for the first of several. So a task's own await is followed to the tasks behind it. asyncio
tells that only in part by public names; where it cannot be seen a task counts as at work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from enum import Enum
from types import FrameType
from typing import Any

Task = asyncio.Task[Any]


class Activity(Enum):
    """What a task does."""

    AT_WORK = "at work"
    # For an event, a lock or a queue: whoever gives it is at work, or nobody is.
    WAITING = "waiting"
    ASLEEP = "asleep"


def activity(task: Task, asleep: Collection[Task]) -> Activity:
    """Return what a task does; `asleep` are those that sleep on the clock themselves."""
    return _activity(task, asleep, set())


def _activity(task: Task, asleep: Collection[Task], seen: set[Task]) -> Activity:
    if task.done() or task in asleep:
        return Activity.ASLEEP
    seen.add(task)
    # The one name of asyncio's insides without which nothing can be told; as old as asyncio.
    waiter: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    if waiter is None or waiter.done():
        return Activity.AT_WORK
    behind = _behind(task, waiter)
    if behind is None:
        return Activity.AT_WORK
    behind = list(behind)
    if behind and all(one.done() for one in behind):
        # It is told of that with the next turn of the event loop, and goes on then.
        return Activity.AT_WORK
    found = {
        _activity(one, asleep, seen) if isinstance(one, asyncio.Task) else Activity.AT_WORK
        for one in behind
        if one not in seen and not one.done()
    }
    for kind in (Activity.AT_WORK, Activity.ASLEEP):
        if kind in found:
            return kind
    return Activity.WAITING


def _behind(task: Task, waiter: asyncio.Future[Any]) -> Iterable[asyncio.Future[Any]] | None:
    """Return what a task waits for: other tasks, nothing in particular, or None when unknown."""
    if isinstance(waiter, asyncio.Task):
        return [waiter]
    gathered: list[asyncio.Future[Any]] | None = getattr(waiter, "_children", None)
    if gathered is not None:
        return gathered
    frame = _innermost_frame(task)
    module = frame.f_globals.get("__name__") if frame is not None else None
    if frame is None or module not in _READERS:
        return None
    return _READERS[module](frame)


def _innermost_frame(task: Task) -> FrameType | None:
    """Return where a task is suspended; None when that is not a chain of coroutines."""
    frame: FrameType | None = None
    current: Any = task.get_coro()
    while current is not None:
        if hasattr(current, "cr_frame"):
            frame, current = current.cr_frame, current.cr_await
        elif hasattr(current, "gi_frame"):
            frame, current = current.gi_frame, current.gi_yieldfrom
        else:
            # A future's iterator ends every chain; anything else hides what is behind it.
            return frame if type(current).__name__ == "FutureIter" else None
    return frame


def _of_tasks(frame: FrameType) -> Iterable[asyncio.Future[Any]] | None:
    """Read `asyncio.wait` and, before Python 3.12, `asyncio.wait_for`."""
    if frame.f_code.co_name == "_wait":
        waited: Iterable[asyncio.Future[Any]] = frame.f_locals["fs"]
        return waited
    inner: asyncio.Future[Any] | None = frame.f_locals.get("fut")
    return None if inner is None else [inner]


def _of_groups(frame: FrameType) -> Iterable[asyncio.Future[Any]] | None:
    tasks: Iterable[asyncio.Future[Any]] | None = getattr(frame.f_locals["self"], "_tasks", None)
    return tasks


def _of_locks(_frame: FrameType) -> Iterable[asyncio.Future[Any]] | None:
    return ()


_READERS = {
    "asyncio.tasks": _of_tasks,
    "asyncio.taskgroups": _of_groups,
    "asyncio.locks": _of_locks,
    "asyncio.queues": _of_locks,
}
