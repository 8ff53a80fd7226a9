"""What the server lends to every handler: the database, the engines, time, processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sagebrush.base.arns import Arn, partition_of
from sagebrush.base.clock import Clock
from sagebrush.base.settings import Settings
from sagebrush.services.capacities import Capacities
from sagebrush.store.database import Database

if TYPE_CHECKING:
    from sagebrush.engines.alarms import Alarms
    from sagebrush.engines.fleets import Fleets
    from sagebrush.engines.identity import Identity, IdentityStore
    from sagebrush.engines.injection import Injection
    from sagebrush.engines.logs import LogStore
    from sagebrush.engines.metrics import MetricStore
    from sagebrush.engines.objects import ObjectStore
    from sagebrush.engines.queues import Queues
    from sagebrush.engines.topics import Topics
    from sagebrush.run.supervisor import Supervisor


@dataclass(eq=False)
class Platform:
    """One running server, as the services see it."""

    settings: Settings
    clock: Clock
    db: Database
    objects: ObjectStore
    logs: LogStore
    metrics: MetricStore
    alarms: Alarms
    identity: IdentityStore
    fleets: Fleets
    supervisor: Supervisor
    injection: Injection
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    # Those of them that only look on from time to time: a step of the clock waits for none.
    lookouts: set[asyncio.Task[Any]] = field(default_factory=set)
    # What services keep running beside their handlers, each under a name of its own.
    workers: dict[str, Any] = field(default_factory=dict)
    # What services show below `/_sagebrush/<name>/`: the rest of the path to a content type and
    # what is there, or None.
    pages: dict[str, Callable[[str], tuple[str, bytes] | None]] = field(default_factory=dict)
    # Who carries notices tells the topics so when they are first used.
    carriers: list[Callable[[Topics], None]] = field(default_factory=list)
    # What can be scaled; services offer it, Application Auto Scaling does it.
    capacities: Capacities = field(default_factory=Capacities)

    @cached_property
    def queues(self) -> Queues:
        """Message queues; loaded with their first use."""
        from sagebrush.engines.queues import Queues

        return Queues(self.db, self.clock)

    @cached_property
    def topics(self) -> Topics:
        """Topics; loaded with their first use."""
        from sagebrush.engines.topics import Topics

        topics = Topics(self.db, self.clock)
        for register in self.carriers:
            register(topics)
        return topics

    def let_go(self) -> None:
        """Let requests that wait for something be answered now: the server stops."""
        if "queues" in vars(self):
            self.queues.let_go()

    def spawn(
        self, work: Coroutine[Any, Any, Any], name: str, *, looks_on: bool = False
    ) -> asyncio.Task[Any]:
        """Run `work` in the background; it is cancelled when the server stops.

        A step of the clock waits for it, unless it `looks_on`: follows a log, say, for ever.
        """
        tasks = self.lookouts if looks_on else self.tasks
        task = asyncio.get_running_loop().create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task


@dataclass(slots=True)
class Context:
    """One request, without anything of HTTP.

    Synchronous handlers run on the event loop inside one transaction that the gateway opened and
    commits before the answer is written. `async def` handlers open their own with
    `with context.db.transaction():` and never await inside it. Neither does blocking work on the
    loop: `await asyncio.to_thread(...)` (with `db.reader()`) or a process.
    """

    platform: Platform
    service: str
    operation: str
    account: str
    region: str
    principal: Identity
    request_id: str
    now: float
    endpoint: str
    client_address: str = "127.0.0.1"
    # The web page a browser sent the request for, and where its user came from.
    origin: str | None = None
    referrer: str | None = None
    user_agent: str = ""
    # Set by handlers that answer something the model has no member for (S3's `Content-Length` on
    # a 206, say): header name to value.
    extra_headers: dict[str, str] = field(default_factory=dict)
    # Overrides the model's success status (206 for a range, 204, 304).
    status: int | None = None
    # `time.perf_counter` of the request's begin: latencies stay real however the clock runs.
    began: float = field(default_factory=time.perf_counter)

    @property
    def db(self) -> Database:
        """The state database."""
        return self.platform.db

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of `resource` in this request's account and region."""
        return str(Arn(partition_of(self.region), service, self.region, self.account, resource))
