"""Builds the platform: every engine once, in the order they stand on each other."""

from __future__ import annotations

from pathlib import Path

from sagebrush import engines
from sagebrush.base.clock import Clock
from sagebrush.base.settings import Settings
from sagebrush.engines.alarms import Alarms
from sagebrush.engines.fleets import Fleets
from sagebrush.engines.identity import IdentityStore
from sagebrush.engines.injection import Injection
from sagebrush.engines.logs import LogStore
from sagebrush.engines.metrics import MetricStore
from sagebrush.engines.objects import ObjectStore
from sagebrush.run.families import Family
from sagebrush.run.supervisor import Supervisor
from sagebrush.services.platform import Platform
from sagebrush.store.database import Database

# Engines that the platform loads with their first use: most servers need neither.
_LOADED_LATER = ("queues", "topics")
STATE_FILE = "state.sqlite"
# What the preloaded parent of training jobs and model servers has imported.
FAMILIES = {
    "algorithms": Family(
        "algorithms",
        (
            # xgboost takes these along when they are there: twice the memory, dearer forks.
            *("!sklearn", "!pandas"),
            *("?numpy", "?scipy.sparse", "?pyarrow.csv", "?pyarrow.parquet", "?xgboost"),
            "sagebrush.algorithms.*",
        ),
    )
}


def assemble(settings: Settings, clock: Clock) -> Platform:
    """Open the data directory and return the platform on it."""
    folder = settings.data_dir
    db = Database(folder / STATE_FILE, durable=settings.durable)
    for name in _LOADED_LATER:
        # Their first use may fall into a transaction, which no migration can.
        db.migrate(f"engines.{name}", Path(engines.__file__).parent / name / "migrations")
    supervisor = Supervisor(folder / "run", FAMILIES)
    injection = Injection(db, clock)
    metrics = MetricStore(db, clock)
    return Platform(
        settings=settings,
        clock=clock,
        db=db,
        objects=ObjectStore(db, folder / "objects", clock, durable=settings.durable),
        logs=LogStore(db, clock),
        metrics=metrics,
        alarms=Alarms(db, clock, metrics),
        identity=IdentityStore(db, clock),
        fleets=Fleets(supervisor, folder / "fleets", injection),
        supervisor=supervisor,
        injection=injection,
    )
