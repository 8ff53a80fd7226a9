"""How much a tuning job may ask for.

Source: the developer guide, *Resource Limits for Automatic Model Tuning*; where a limit can be
increased on request, the increased one holds here.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.tuning import records

ACTIVE_JOBS = 100
PARALLEL_TRIALS = 100
TRIALS = 750
RANDOM_TRIALS = 10_000
RUNTIME_S = 30 * 86_400
HYPERBAND_RESOURCE = 20_000


def check_limits(context: Context, config: dict[str, Any]) -> None:
    """Raise ResourceLimitExceeded for a tuning job that asks for too much."""
    limits = config["ResourceLimits"]
    active = records.active_count(context.db, context.account, context.region)
    if active >= ACTIVE_JOBS:
        raise faults.over_quota(
            "Number of parallel hyperparameter tuning jobs", ACTIVE_JOBS, active, 1
        )
    if (parallel := limits["MaxParallelTrainingJobs"]) > PARALLEL_TRIALS:
        raise faults.over_quota(
            "Number of parallel training jobs per hyperparameter tuning job",
            PARALLEL_TRIALS,
            0,
            parallel,
        )
    if (runtime_s := limits.get("MaxRuntimeInSeconds", 0)) > RUNTIME_S:
        raise faults.over_quota(
            "Maximum run time for a hyperparameter tuning job in seconds", RUNTIME_S, 0, runtime_s
        )
    check_total(config, 0)


def check_total(config: dict[str, Any], inherited: int) -> None:
    """Raise ResourceLimitExceeded for too many training jobs, those of parents included."""
    limit = RANDOM_TRIALS if config["Strategy"] == "Random" else TRIALS
    wanted = config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    if inherited + wanted > limit:
        raise faults.over_quota(
            f"Number of training jobs per {config['Strategy']} hyperparameter tuning job",
            limit,
            inherited,
            wanted,
        )
