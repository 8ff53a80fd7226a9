"""`sagebrush` whose containers with OWN_PROGRAM in their environment run that program.

The server resolves images to its built-in algorithms and has no containers of users' own. This
puts one in their place at the last moment: where the process of a model server is described, the
command is the program's. Sandbox, limits, socket, pings, routing and everything above are the
server's, unchanged; but a stream may take OWN_STREAM_LIMIT_S of the environment where that is
set, instead of eight minutes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagebrush.cli import main
from sagebrush.engines.fleets import SOCKET_NAME
from sagebrush.run.spec import ProcessSpec
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import plans, serving
from sagebrush.services.sagemaker.runtimes import Runtime
from sagebrush.services.sagemaker_runtime import streams


def specification(
    platform: Platform, placement: serving.Placement, runtime: Runtime
) -> Callable[[Path], ProcessSpec]:
    """Return what makes the spec of a model server, of an own one where the container names it."""
    make = serving.specification(platform, placement, runtime)
    program = placement.container.get("Environment", {}).get("OWN_PROGRAM")
    if program is None:
        return make

    def make_own(directory: Path) -> ProcessSpec:
        spec = make(directory)
        # Its text, not its path: a checkout in /tmp is not seen in the sandbox, which has its own.
        text = Path(program).read_text("utf-8")
        socket = f"{serving.CONTAINER_ROOT}/run/{SOCKET_NAME}"
        command: Any = (sys.executable, "-c", text, socket)
        (member,) = spec.members
        return replace(spec, members=(replace(member, entry=None, argv=command),))

    return make_own


if __name__ == "__main__":
    plans.specification = specification
    if "OWN_STREAM_LIMIT_S" in os.environ:
        streams._STREAM_LIMIT_S = float(os.environ["OWN_STREAM_LIMIT_S"])
    sys.exit(main())
