"""Several hosts train one model by LightGBM's own socket collective.

Each host reads its share of the rows; LightGBM sums histograms over the hosts, so that all grow
the same trees.
"""

import json
import socket
from collections.abc import Mapping
from typing import Any

import numpy as np

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext

LISTEN_MINUTES = 5


def network_parameters(
    context: TrainingContext, group: Collective, tree_learner: str
) -> Mapping[str, Any]:
    """LightGBM's parameters that join the hosts; empty for a single one."""
    if group.size == 1:
        return {}
    port = _free_port()
    own = json.dumps([_address(context.current_host), port]).encode()
    ranked = group.gather(np.frombuffer(own, np.uint8))
    listed = None
    if group.leads:
        pairs = [json.loads(each.tobytes()) for each in ranked]
        listed = np.frombuffer(",".join(f"{h}:{p}" for h, p in pairs).encode(), np.uint8)
    return {
        "machines": group.broadcast(listed).tobytes().decode(),
        "local_listen_port": port,
        "num_machines": group.size,
        "time_out": LISTEN_MINUTES,
        "tree_learner": "data" if tree_learner == "serial" else tree_learner,
        "pre_partition": True,
    }


def _free_port() -> int:
    """A port that is free now; LightGBM listens on it on all of the machine's addresses."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def _address(host: str) -> str:
    """The host's address; hosts of one machine differ by port, since LightGBM knows itself only
    under addresses of the machine's interfaces."""
    try:
        address = socket.gethostbyname(host)
    except OSError:
        return "127.0.0.1"
    return "127.0.0.1" if address.startswith("127.") else address
