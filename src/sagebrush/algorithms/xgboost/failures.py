"""Whose fault an error of xgboost is, and its message without the stack trace."""

import re

from sagebrush.algorithms.errors import AlgorithmError, ClientError

_USER_MISTAKES = (
    "label must be",
    "feature_names mismatch",
    "Number of columns does not match number of features",
    "preds.size() == info.labels_.size()",
    "dataset only contains pos or neg samples",
    "base_score must be in (0,1)",
    "should be greater equal",
    "Unknown tree updater",
    "No more tree left for updating",
    "doesn't support unlimited depth",
    "Only uniform sampling is supported",
)
"""What xgboost says when data or hyperparameters are at fault; anything else is the algorithm's."""
_GPU_ERROR = re.compile(r"cuda|thrust|nccl|\bGPU\b", re.IGNORECASE)
_GPU_MEMORY_ERROR = re.compile(r"out of memory|memory allocation|bad_alloc", re.IGNORECASE)


def training_failure(error: Exception) -> Exception:
    """The error to raise for one of xgboost's while it trained."""
    message = _message(error)
    if any(mistake in message for mistake in _USER_MISTAKES):
        return ClientError(message)
    return (
        _gpu_failure(message)
        or _lost_host(error)
        or AlgorithmError(f"XGB train call failed with exception:\n {message}")
    )


def loading_failure(error: Exception) -> Exception:
    """The error to raise for one of xgboost's while it took the data in."""
    return _lost_host(error) or ClientError(
        f"Failed to load data with exception:\n{_message(error)}"
    )


def _gpu_failure(message: str) -> Exception | None:
    """What to do when a GPU gives up: most often its memory is too small."""
    if not _GPU_ERROR.search(message):
        return None
    if _GPU_MEMORY_ERROR.search(message):
        return ClientError(
            "The memory of the GPU is too small for the training. Set tree_method to hist instead "
            f"of gpu_hist to train on the CPU, or use smaller trees or data: {message}"
        )
    return AlgorithmError(
        "Training on the GPU failed. Set tree_method to hist instead of gpu_hist to train on the "
        f"CPU: {message}"
    )


def _message(error: Exception) -> str:
    return str(error).partition("\nStack trace")[0].rstrip()


def _lost_host(error: Exception) -> AlgorithmError | None:
    if "/collective/" not in str(error) and "rabit" not in str(error):
        return None
    return AlgorithmError("Training ended because the connection to another host was lost.")
