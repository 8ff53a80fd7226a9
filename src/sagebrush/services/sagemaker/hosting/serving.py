"""From a model that lies on disk to the processes that serve it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.engines.fleets import MEMBER_NAME, SOCKET_NAME
from sagebrush.run.spec import Access, Entry, Limits, Member, Mount, ProcessSpec
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import images
from sagebrush.services.sagemaker.hosting.containers import is_multi_model
from sagebrush.services.sagemaker.hosting.serverless import size_of
from sagebrush.services.sagemaker.jobs.hosts import machine_cpu_count, machine_memory_bytes
from sagebrush.services.sagemaker.runtimes import Runtime

CONTAINER_ROOT = "/opt/ml"
MODELS_ROOT = f"{CONTAINER_ROOT}/models"
_RUN = f"{CONTAINER_ROOT}/run"
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
_WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"
_GRACE_S = 30.0


@dataclass(frozen=True)
class Placement:
    """Where a variant's model lies and what it may use."""

    endpoint: str
    region: str
    account: str
    variant: dict[str, Any]
    container: dict[str, Any]
    network_isolation: bool
    model_folder: Path
    # Set where the process may use something else than what the variant's instances have.
    limits: Limits | None = None


def specification(
    platform: Platform, placement: Placement, runtime: Runtime
) -> Callable[[Path], ProcessSpec]:
    """Return what makes the spec of one model server from its directory."""
    image = images.resolved(placement.container["Image"])
    cpu_count, memory_bytes = _size(placement)
    threads = max(1, cpu_count // _worker_count(placement))
    arguments = [
        *("serve", image.card.name, "--root", CONTAINER_ROOT),
        *("--socket", f"{_RUN}/{SOCKET_NAME}"),
    ]
    has_many = is_multi_model(placement.container)
    if has_many:
        arguments += ["--models", MODELS_ROOT, "--memory-bytes", str(memory_bytes)]

    def make(directory: Path) -> ProcessSpec:
        root = directory / "ml"
        model = f"{CONTAINER_ROOT}/model"
        for name in ("run", "model", *(["models"] if has_many else [])):
            (root / name).mkdir(parents=True, exist_ok=True)
        mounts: tuple[Mount, ...] = (
            Mount(str(root), CONTAINER_ROOT, Access.READ_WRITE),
            Mount(str(placement.model_folder), model, Access.READ_ONLY),
            Mount(str(directory / "run"), _RUN, Access.READ_WRITE),
        )
        if has_many:
            models = models_folder(directory.parent)
            models.mkdir(exist_ok=True)
            mounts += (Mount(str(models), MODELS_ROOT, Access.READ_ONLY),)
        member = Member(
            name=MEMBER_NAME,
            entry=Entry("sagebrush.algorithms.__main__:main", {"arguments": arguments}),
            environment=_environment(platform, placement, image.tag, threads),
            mounts=mounts,
            threads=threads,
        )
        return ProcessSpec(
            name=f"endpoint-{placement.endpoint}",
            directory=str(directory),
            members=(member,),
            family=runtime.family,
            interpreter=runtime.interpreter,
            hidden=(str(platform.settings.data_dir.absolute()),),
            network=not placement.network_isolation,
            limits=Limits(memory_bytes, float(cpu_count)),
            grace_s=_GRACE_S,
        )

    return make


def _size(placement: Placement) -> tuple[int, int]:
    """Return how many virtual CPUs and how much memory a process may use."""
    size, limits = size_of(placement.variant), placement.limits or Limits()
    cpu_count = int(limits.cpu_count or size.cpu_count)
    memory_bytes = limits.memory_bytes or size.memory_bytes
    return min(cpu_count, machine_cpu_count()), min(memory_bytes, machine_memory_bytes())


def _worker_count(placement: Placement) -> int:
    """Return how many processes share the processors, where the container says so."""
    text = str(placement.container.get("Environment", {}).get(_WORKERS, "")).strip()
    # What is no number the container refuses, in its own log.
    return int(text) if text.isascii() and text.isdigit() and int(text) else 1


def models_folder(server_folder: Path) -> Path:
    """Return where the models of a multi-model server lie: its processes come and go, they stay."""
    return server_folder / "models"


def _environment(
    platform: Platform, placement: Placement, tag: str, thread_count: int
) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    threads = str(thread_count)
    own = {
        "HOME": "/tmp",  # noqa: S108 - private to the process
        "PYTHONUNBUFFERED": "1",
        "AWS_REGION": placement.region,
        "AWS_DEFAULT_REGION": placement.region,
        "SM_NUM_CPUS": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        # Answers of some images differ by their version.
        "SAGEBRUSH_IMAGE_TAG": tag,
    }
    if is_multi_model(placement.container):
        own["SAGEMAKER_MULTI_MODEL"] = "true"
    if not placement.network_isolation:
        own |= {
            "AWS_ENDPOINT_URL": platform.settings.endpoint,
            "AWS_ACCESS_KEY_ID": placement.account,
            "AWS_SECRET_ACCESS_KEY": "sagebrush",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    given: dict[str, str] = placement.container.get("Environment", {})
    return kept | own | given
