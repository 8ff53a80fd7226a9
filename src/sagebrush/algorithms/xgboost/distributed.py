"""Several hosts train one model: who takes part, and xgboost's own collective among them.

Each host reads its share of the data; xgboost sums the histograms over the hosts, so that all grow
the same trees. A host without data stays out.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xgboost
from xgboost import collective
from xgboost.tracker import RabitTracker

from sagebrush.algorithms.collective import Collective, connect
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.xgboost.image_versions import ANY_IMAGE, ImageVersion

_SHUTDOWN_TIMEOUT_S = 60
_HAS_TRACKER_IN_C = hasattr(RabitTracker, "worker_args")


@dataclass(frozen=True)
class Member:
    """This host's part in the training.

    ``is_master`` says whether it prints and saves. A single host is a group of its own.
    """

    is_master: bool = True
    group: Collective = field(default_factory=Collective)

    def any(self, flag: Callable[[], bool]) -> Callable[[], bool]:
        """Whether any host says yes; all must ask equally often."""
        return lambda: self.group.any(flag())


@contextmanager
def membership(context: TrainingContext, *, has_data: bool) -> Iterator[Member | None]:
    """The group of the hosts that have data; None on a host that has none.

    Inside the block xgboost works together with the other hosts. ClientError if no host has data.
    """
    if len(context.hosts) == 1:
        yield Member()
        return
    hosts = _hosts_with_data(context, has_data)
    if not has_data:
        yield None
        return
    if len(hosts) == 1:
        yield Member()
        return
    group = _connect(hosts, context, "train")
    try:
        with _collective(hosts, group):
            yield Member(group.leads, group)
    finally:
        group.close()


def _connect(hosts: list[str], context: TrainingContext, purpose: str) -> Collective:
    job = f"{os.environ.get('TRAINING_JOB_NAME', '')}/xgboost/{purpose}"
    return connect(hosts, context.current_host, job=job, stop_requested=context.stop_requested)


def _hosts_with_data(context: TrainingContext, has_data: bool) -> list[str]:
    group = _connect(context.hosts, context, "data")
    try:
        present = np.zeros(len(context.hosts), np.int64)
        present[group.rank] = has_data
        present = group.sum(present)
    finally:
        group.close()
    if not present.any():
        raise ClientError("No hosts received training data.")
    return [host for host, flag in zip(context.hosts, present, strict=True) if flag]


@contextmanager
def _collective(hosts: list[str], group: Collective) -> Iterator[None]:
    """xgboost's communication, coordinated by a tracker on the first host."""
    tracker = _start_tracker(hosts) if group.leads else None
    arguments = _shared(None if tracker is None else _worker_arguments(tracker), group)
    task = "dmlc_task_id" if _HAS_TRACKER_IN_C else "DMLC_TASK_ID"
    arguments[task] = f"{group.rank:05d}"
    with collective.CommunicatorContext(**arguments):
        yield
    if tracker is not None:
        _wait_for(tracker)


def _start_tracker(hosts: list[str]) -> Any:
    address = socket.gethostbyname(hosts[0])
    tracker = RabitTracker(n_workers=len(hosts), host_ip=address, sortby="task")
    if _HAS_TRACKER_IN_C:
        tracker.start()
    else:
        tracker.start(len(hosts))
    return tracker


def _worker_arguments(tracker: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = tracker.worker_args() if _HAS_TRACKER_IN_C else tracker.worker_envs()
    return found


def _wait_for(tracker: Any) -> None:
    if _HAS_TRACKER_IN_C:
        tracker.wait_for(timeout=_SHUTDOWN_TIMEOUT_S)
    else:
        tracker.join()


def _shared(arguments: Mapping[str, Any] | None, group: Collective) -> dict[str, Any]:
    """The first host's arguments on every host."""
    encoded = None
    if arguments is not None:
        encoded = np.frombuffer(json.dumps(dict(arguments)).encode(), np.uint8)
    shared: dict[str, Any] = json.loads(group.broadcast(encoded).tobytes())
    return shared


def distributable(values: Mapping[str, Any], image: ImageVersion = ANY_IMAGE) -> Mapping[str, Any]:
    """The hyperparameters as several hosts train them; ClientError for what only one host can do.

    They are as given, but for ``exact`` under an image that trains with ``approx`` instead.
    """
    if values.get("_kfold") is not None:
        raise ClientError("Cross validation runs on one instance only.")
    is_exact = values.get("tree_method") == "exact" and values.get("updater") is None
    if is_exact and image.trains_exact_on_several_hosts:
        values = {**values, "tree_method": "approx"}
    if values.get("tree_method") == "exact" or values.get("booster") == "gblinear":
        raise ClientError(
            "Distributed training needs one of the tree methods hist and approx; "
            f"xgboost {xgboost.__version__} supports no other over several instances."
        )
    return values
