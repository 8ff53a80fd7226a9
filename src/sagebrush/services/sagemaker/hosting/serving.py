"""From a model to the processes that serve it: artefact on disk, specification."""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.fleets import MEMBER_NAME, SOCKET_NAME
from sagebrush.engines.objects import ObjectEntry, ObjectStoreError, parse_s3_uri
from sagebrush.run.spec import Access, Entry, Limits, Member, Mount, ProcessSpec
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import images
from sagebrush.services.sagemaker.hosting.containers import model_data_location
from sagebrush.services.sagemaker.instances import Instance, instance_of
from sagebrush.services.sagemaker.jobs.hosts import machine_cpu_count, machine_memory_bytes
from sagebrush.services.sagemaker.runtimes import Runtime

CONTAINER_ROOT = "/opt/ml"
_RUN = f"{CONTAINER_ROOT}/run"
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
_GRACE_S = 30.0


class ModelDataError(SagebrushError):
    """A model's artefact cannot be laid out; the message becomes the endpoint's FailureReason."""


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


async def lay_out_model(platform: Platform, container: dict[str, Any], destination: Path) -> None:
    """Put a container's artefact into `destination`, whole or not at all.

    A folder that is there already is taken as it is: only a complete one gets its name.

    Raises:
        ModelDataError: the artefact is missing, no gzip tar, or would escape its folder.
    """
    if destination.exists():
        return
    partial = destination.with_name(destination.name + ".part")
    await asyncio.to_thread(_empty, partial)
    location = model_data_location(container)
    if location is not None:
        try:
            archive = _link(platform, container, location, partial)
        except ObjectStoreError:
            raise ModelDataError(f"Could not find model data at {location}.") from None
        if archive is not None:
            await asyncio.to_thread(_extract, archive, partial, location)
    partial.replace(destination)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _link(
    platform: Platform, container: dict[str, Any], location: str, folder: Path
) -> Path | None:
    """Link the stored files next to or into `folder`; return the archive if there is one."""
    bucket, key = parse_s3_uri(location)
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    if source.get("S3DataType") != "S3Prefix":
        archive = folder.with_name(folder.name + ".tar.gz")
        archive.unlink(missing_ok=True)
        platform.objects.link(platform.objects.get(bucket, key), archive)
        return archive
    for entry in list(platform.objects.list(bucket, key)):
        if isinstance(entry, ObjectEntry) and not entry.key.endswith("/"):
            target = (folder / entry.key[len(key) :].lstrip("/")).resolve()
            if folder.resolve() not in target.parents:
                raise ModelDataError(f"{entry.key} would lie outside of the model's folder.")
            target.parent.mkdir(parents=True, exist_ok=True)
            platform.objects.link(entry, target)
    return None


def _extract(archive: Path, folder: Path, location: str) -> None:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            # The filter refuses absolute names, links out of the folder and device files.
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ModelDataError(
            f"Model data at {location} cannot be extracted: {error}. It must be a gzip compressed"
            " tar archive whose members stay below its top folder."
        ) from None
    finally:
        archive.unlink()


def specification(
    platform: Platform, placement: Placement, runtime: Runtime
) -> Callable[[Path], ProcessSpec]:
    """Return what makes the spec of one model server from its directory."""
    image = images.resolved(placement.container["Image"])
    size = instance_of(placement.variant["InstanceType"]) or Instance(1, 1 << 30)
    cpu_count = min(size.cpu_count, machine_cpu_count())
    arguments = [
        *("serve", image.card.name, "--root", CONTAINER_ROOT),
        *("--socket", f"{_RUN}/{SOCKET_NAME}"),
    ]

    def make(directory: Path) -> ProcessSpec:
        root = directory / "ml"
        (root / "run").mkdir(parents=True, exist_ok=True)
        (root / "model").mkdir(exist_ok=True)
        mounts = (
            Mount(str(root), CONTAINER_ROOT, Access.READ_WRITE),
            Mount(str(placement.model_folder), f"{CONTAINER_ROOT}/model", Access.READ_ONLY),
            Mount(str(directory / "run"), _RUN, Access.READ_WRITE),
        )
        member = Member(
            name=MEMBER_NAME,
            entry=Entry("sagebrush.algorithms.__main__:main", {"arguments": arguments}),
            environment=_environment(platform, placement, cpu_count),
            mounts=mounts,
            threads=cpu_count,
        )
        return ProcessSpec(
            name=f"endpoint-{placement.endpoint}",
            directory=str(directory),
            members=(member,),
            family=runtime.family,
            interpreter=runtime.interpreter,
            hidden=(str(platform.settings.data_dir.absolute()),),
            network=not placement.network_isolation,
            limits=Limits(min(size.memory_bytes, machine_memory_bytes()), float(cpu_count)),
            grace_s=_GRACE_S,
        )

    return make


def _environment(platform: Platform, placement: Placement, cpu_count: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    threads = str(cpu_count)
    own = {
        "HOME": "/tmp",  # noqa: S108 - private to the process
        "PYTHONUNBUFFERED": "1",
        "AWS_REGION": placement.region,
        "AWS_DEFAULT_REGION": placement.region,
        "SM_NUM_CPUS": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }
    if not placement.network_isolation:
        own |= {
            "AWS_ENDPOINT_URL": platform.settings.endpoint,
            "AWS_ACCESS_KEY_ID": placement.account,
            "AWS_SECRET_ACCESS_KEY": "sagebrush",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    given: dict[str, str] = placement.container.get("Environment", {})
    return kept | own | given
