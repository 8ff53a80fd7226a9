"""Answers of one first-party algorithm as requests of another, in an inference pipeline.

Any built-in algorithms may follow each other in a pipeline, though the documented answers of those
that transform rows (PCA-in-formats.md) have not the form of requests (cdf-inference.md): so a row
is also taken under the name that these algorithms give it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.formats.record_fields import read_record
from sagebrush.algorithms.formats.recordio import FramingError, find_frames

# The names of rows in answers: PCA's and LDA's; and those of the lists they are in.
ROW_NAMES = ("projection", "topic_mixture")
LIST_NAMES = ("projections", "predictions")


def answered_instances(document: dict[str, Any]) -> Any:
    """The instances of a JSON answer; KeyError 'instances' when it is none."""
    for name in LIST_NAMES:
        instances = document.get(name)
        if isinstance(instances, list) and all(map(is_answered, instances)):
            return instances
    raise KeyError("instances")


def is_answered(instance: Any) -> bool:
    """Whether an instance is a row out of an answer."""
    return isinstance(instance, dict) and any(name in instance for name in ROW_NAMES)


def answered_values(instance: dict[str, Any]) -> Any:
    """The numbers of a row out of an answer."""
    return next(instance[name] for name in ROW_NAMES if name in instance)


def answered_records(body: bytes) -> tuple[NDArray[np.float32], list[bytes]] | None:
    """Rows, and each one's uid and metadata, of an answer in RecordIO-protobuf; None for others."""
    try:
        frames = find_frames(body, len(body))
        bounds = zip(frames.starts.tolist(), frames.ends.tolist(), strict=True)
        records = [read_record(body, start, end) for start, end in bounds]
    except (FramingError, ValueError):
        return None
    rows, passthrough = [], []
    for record in records:
        found = [record.label[name] for name in ROW_NAMES if name in record.label]
        if not found or record.features or found[0].is_sparse:
            return None
        rows.append(found[0].values)
        passthrough.append(record.passthrough)
    if not rows or len({len(row) for row in rows}) > 1:
        return None
    return np.stack(rows).astype(np.float32, copy=False), passthrough
