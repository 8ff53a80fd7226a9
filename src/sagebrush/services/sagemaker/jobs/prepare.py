"""From a job's row to the processes to start: environment, input, specification."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.algorithms import ResolvedImage
from sagebrush.run.spec import Access, Archive, Entry, Limits, Member, Mount, ProcessSpec
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.descriptions import DEFAULT_MAX_RUNTIME_S, job_arn
from sagebrush.services.sagemaker.jobs.channels import channels_of
from sagebrush.services.sagemaker.jobs.checkpoints import CheckpointSync
from sagebrush.services.sagemaker.jobs.hosts import (
    Host,
    hosts_of,
    machine_cpu_count,
    memory_limit_bytes,
)
from sagebrush.services.sagemaker.jobs.staging import Staged, Stager, make_layout, write_config
from sagebrush.services.sagemaker.records import TrainingJob
from sagebrush.services.sagemaker.runtimes import Runtime

STOP_GRACE_S = 120.0
MODEL_ARCHIVE = "model.tar.gz"
OUTPUT_ARCHIVE = "output.tar.gz"
CONTAINER_ROOT = "/opt/ml"
CHECKPOINT_PATH = "/opt/ml/checkpoints"
_COMPRESSION_LEVEL = 3
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


def jobs_folder(platform: Platform) -> Path:
    """Return the folder of all training jobs' folders."""
    return platform.settings.data_dir.absolute() / "jobs" / "training"


def job_directory(platform: Platform, job: TrainingJob) -> Path:
    """Return the folder of a job's current attempt."""
    return jobs_folder(platform) / f"{job.id}-{job.progress.attempt}"


@dataclass(frozen=True)
class Preparation:
    """A job's input staged, and all that its specification needs."""

    directory: Path
    hosts: list[Host]
    staged: Staged


async def prepare(platform: Platform, job: TrainingJob) -> Preparation:
    """Stage a job's input in a fresh directory.

    Raises:
        JobFailure: input is missing or wrong.
    """
    directory = job_directory(platform, job)
    if directory.exists():
        await asyncio.to_thread(shutil.rmtree, directory)
    directory.mkdir(parents=True)
    hosts = hosts_of(job.request, directory)
    channels = channels_of(job.request)
    for host in hosts:
        make_layout(host)
        write_config(host, hosts, channels, job.request)
        if "CheckpointConfig" in job.request:
            checkpoint_folder(job, host).mkdir(parents=True, exist_ok=True)
    stager = Stager(platform.objects, directory, hosts, job.region, job.request["RoleArn"])
    prepared = Preparation(directory, hosts, await stager.stage(channels))
    if "CheckpointConfig" in job.request:
        folders = {host.name: checkpoint_folder(job, host) for host in hosts}
        await CheckpointSync(platform, job, directory, folders).restore()
    return prepared


def specification(
    platform: Platform,
    job: TrainingJob,
    image: ResolvedImage,
    runtime: Runtime,
    prepared: Preparation,
    threads: int,
) -> ProcessSpec:
    """Return the processes of a job; `threads` is the share of each of its hosts."""
    hosts, staged = prepared.hosts, prepared.staged
    sizes = [host.size for host in hosts]
    largest = max(sizes, key=lambda size: size.memory_bytes)
    memory_bytes = memory_limit_bytes(largest, platform.settings)
    cpu_count = min(max(size.cpu_count for size in sizes), machine_cpu_count())
    members = tuple(
        Member(
            name=host.name,
            **_program(image),
            environment=_environment(platform, job, host, image.tag, threads),
            mounts=_mounts(job, host, staged.mounts[host.name]),
            threads=threads,
        )
        for host in hosts
    )
    return ProcessSpec(
        name=f"training-{job.id}",
        directory=str(prepared.directory),
        members=members,
        family=runtime.family,
        interpreter=runtime.interpreter,
        hidden=(str(platform.settings.data_dir.absolute()),),
        network=not job.request.get("EnableNetworkIsolation", False),
        limits=Limits(memory_bytes=memory_bytes, cpu_count=float(cpu_count)),
        max_runtime_s=_runtime_left_s(job),
        grace_s=STOP_GRACE_S,
        feeders=tuple(staged.feeders),
        archives=_archives(job, hosts),
    )


def _runtime_left_s(job: TrainingJob) -> float:
    """Return what earlier attempts left of the time that all of them may take together."""
    condition = job.request.get("StoppingCondition", {})
    whole_s = float(condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S))
    return max(1.0, whole_s - job.progress.running_s)


def _program(image: ResolvedImage) -> dict[str, Any]:
    """Return what a host of the job runs, as members of `Member`."""
    arguments = ["train", image.card.name, "--root", CONTAINER_ROOT]
    return {"entry": Entry("sagebrush.algorithms.__main__:main", {"arguments": arguments})}


def _archives(job: TrainingJob, hosts: Sequence[Host]) -> tuple[Archive, ...]:
    if job.request["OutputDataConfig"].get("CompressionType") == "NONE":
        return ()
    base = "hosts/{}/ml/{}"
    return (
        Archive(
            MODEL_ARCHIVE,
            tuple(base.format(host.name, "model") for host in hosts),
            compression_level=_COMPRESSION_LEVEL,
        ),
        Archive(
            OUTPUT_ARCHIVE,
            tuple(base.format(host.name, "output/data") for host in hosts),
            files=tuple(base.format(host.name, "output/failure") for host in hosts[:1]),
            compression_level=_COMPRESSION_LEVEL,
            skip_empty=True,
        ),
    )


def checkpoint_folder(job: TrainingJob, host: Host) -> Path:
    """Return the folder on this machine of a host's checkpoints, for a job that keeps some."""
    local = job.request["CheckpointConfig"].get("LocalPath") or CHECKPOINT_PATH
    if local.startswith(CONTAINER_ROOT + "/"):
        return host.root / local.removeprefix(CONTAINER_ROOT + "/")
    return host.root.parent / "checkpoints"


def _mounts(job: TrainingJob, host: Host, channels: Sequence[Mount]) -> tuple[Mount, ...]:
    mounts = [Mount(str(host.root), CONTAINER_ROOT, Access.READ_WRITE), *channels]
    if "CheckpointConfig" in job.request:
        folder = checkpoint_folder(job, host)
        if host.root not in folder.parents:
            local = job.request["CheckpointConfig"]["LocalPath"]
            mounts.append(Mount(str(folder), local, Access.READ_WRITE))
    return tuple(mounts)


def _environment(
    platform: Platform, job: TrainingJob, host: Host, tag: str, threads: int
) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    share = str(threads)
    own = {
        "HOME": "/tmp",  # noqa: S108 - private to the job
        "PYTHONUNBUFFERED": "1",
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job_arn(job.account, job.region, job.name),
        "AWS_REGION": job.region,
        "AWS_DEFAULT_REGION": job.region,
        "SAGEMAKER_DATA_PATH": CONTAINER_ROOT,
        "SAGEMAKER_METRICS_DIRECTORY": f"{CONTAINER_ROOT}/output/metrics/sagemaker",
        "SM_CURRENT_HOST": host.name,
        "SM_NUM_CPUS": share,
        "OMP_NUM_THREADS": share,
        "OPENBLAS_NUM_THREADS": share,
        "MKL_NUM_THREADS": share,
        # Some images train differently by their version.
        "SAGEBRUSH_IMAGE_TAG": tag,
    }
    given: dict[str, str] = job.request.get("Environment", {})
    return kept | own | _access(platform, job) | given


def _access(platform: Platform, job: TrainingJob) -> dict[str, str]:
    """Return what leads AWS clients inside a job back to this server."""
    if job.request.get("EnableNetworkIsolation"):
        return {}
    endpoint = platform.settings.endpoint
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "S3_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": job.account,
        "AWS_SECRET_ACCESS_KEY": "sagebrush",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def thread_share(hosts: Sequence[Host], running_jobs: int) -> int:
    """Return how many threads each host of a job may use beside `running_jobs` other jobs."""
    share = machine_cpu_count() // (running_jobs + 1) // len(hosts)
    return max(1, min(share, *(host.size.cpu_count for host in hosts)))
