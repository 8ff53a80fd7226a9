"""Log lines in the form of the XGBoost images."""

import time

from sagebrush.algorithms.container import TrainingContext


def write_info(context: TrainingContext, text: str) -> None:
    """Write ``[YYYY-MM-DD:HH:MM:SS:INFO] text``."""
    _write(context, "INFO", text)


def write_warning(context: TrainingContext, text: str) -> None:
    """Write ``[YYYY-MM-DD:HH:MM:SS:WARNING] text``."""
    _write(context, "WARNING", text)


def _write(context: TrainingContext, level: str, text: str) -> None:
    stamp = time.strftime("%Y-%m-%d:%H:%M:%S", time.gmtime())
    context.log.line(f"[{stamp}:{level}] {text}")
