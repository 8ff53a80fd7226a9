"""Trains LDA from a job's channels and leaves the artefact and the log lines of AWS's image."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.media_type import MediaType
from sagebrush.algorithms.formats.training import CSV, training_batches
from sagebrush.algorithms.lda.artifact import write_model
from sagebrush.algorithms.lda.corpus import count_flaw
from sagebrush.algorithms.lda.model import LDA

ALGORITHM = "AWS/LDA"
SEED = 0
VALUES_AT_ONCE = 1 << 22
FEWEST_ROWS_AT_ONCE = 64
MOST_ROWS_AT_ONCE = 8192

Parameters = dict[str, Any]


def train(context: TrainingContext, parameters: Parameters) -> None:
    """Train on the ``train`` channel, write the model, score the ``test`` channel."""
    for channel in context.channels.values():
        _require_readable(channel.content_type, channel.mode, channel.name)
    started = time.time()
    documents = _Count()
    model = LDA(
        int(parameters["num_topics"]),
        alpha0=float(parameters["alpha0"]),
        max_restarts=int(parameters["max_restarts"]),
        max_iterations=int(parameters["max_iterations"]),
        tol=float(parameters["tol"]),
        mini_batch_size=int(parameters["mini_batch_size"]),
        seed=SEED,
        threads=context.threads,
        report=context.log.info,
        stop_requested=context.stop_requested,
    )
    passes = _passes(context, "train", int(parameters["feature_dim"]))
    model.fit_stream(lambda: documents.counting(passes()))
    assert model.alpha_ is not None
    assert model.beta_ is not None
    path = context.model_dir / f"model_{context.current_host}"
    write_model(path, model.alpha_, model.beta_)
    ended = time.time()
    context.log.progress_metric(100.0)
    context.log.throughput_metric(documents.rows / max(ended - started, 1e-9))
    _test(context, model, int(parameters["feature_dim"]))
    context.log.metrics(
        ALGORITHM,
        "training",
        {"totaltime": (time.time() - started) * 1e3, "Total Records Seen": documents.rows},
        start_time_s=started,
        end_time_s=time.time(),
    )


def _require_readable(content_type: str | None, mode: str, name: str) -> None:
    is_csv = content_type is not None and MediaType.parse(content_type).name == CSV
    if mode == "Pipe" and is_csv:
        raise ClientError(
            f"The {name!r} channel has the content type {content_type!r} in Pipe mode; LDA reads "
            "CSV in File mode only. Use TrainingInputMode 'File', or RecordIO-protobuf."
        )


class _Count:
    """Counts the rows that pass by."""

    def __init__(self) -> None:
        self.rows = 0

    def counting(self, batches: Iterator[Batch]) -> Iterator[Any]:
        for batch in batches:
            self.rows += batch.rows
            yield batch.features


def _passes(
    context: TrainingContext, channel: str, feature_dim: int
) -> Callable[[], Iterator[Batch]]:
    """Begins a pass over a channel each time it is called, in batches of some megabytes."""
    reader = context.reader(channel)
    rows = min(max(VALUES_AT_ONCE // feature_dim, FEWEST_ROWS_AT_ONCE), MOST_ROWS_AT_ONCE)
    return lambda: training_batches(
        reader, rows, feature_dim=feature_dim, default_label_size=0, find_flaw=count_flaw
    )


def _test(context: TrainingContext, model: LDA, feature_dim: int) -> None:
    if "test" not in context.channels:
        context.log.info("Test data is not provided.")
        return
    total = words = 0.0
    for batch in _passes(context, "test", feature_dim)():
        if context.stop_requested():
            context.log.info("The test data is not scored: training was stopped.")
            return
        found = model.log_likelihood(batch.features)
        total, words = total + found[0], words + found[1]
    if words == 0:
        raise ClientError("The test channel holds no words: all counts are zero.")
    context.log.score("test", "pwll", total / words)
    context.log.quality_metric("test", "pwll", total / words, "score")
