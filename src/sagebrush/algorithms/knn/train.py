"""Trains k nearest neighbours from a job's channels and leaves the artefact and the log lines."""

import time
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.row_flaws import RowFlaw, feature_flaw
from sagebrush.algorithms.formats.training import training_batches
from sagebrush.algorithms.joined_hosts import joined_hosts
from sagebrush.algorithms.knn.evaluation import ClassifierScores, RegressorScores
from sagebrush.algorithms.knn.model import KNN
from sagebrush.algorithms.knn.settings import check_reduction_target

ALGORITHM = "AWS/KNN"
SEED = 0
SEARCH_PRODUCTS = 1 << 34
MIN_SEARCH_ROWS = 16

Parameters = dict[str, Any]


def train(context: TrainingContext, parameters: Parameters) -> None:
    """Sample the ``train`` channel, index it, score the ``test`` channel (first host writes)."""
    with joined_hosts(context, ALGORITHM) as collective, single_threaded_blas():
        _Run(context, parameters, collective).execute()


class _Run:
    def __init__(
        self, context: TrainingContext, parameters: Parameters, collective: Collective
    ) -> None:
        self._context = context
        self._log = context.log
        self._parameters = parameters
        self._collective = collective
        passed_on = (
            "k",
            "predictor_type",
            "sample_size",
            "dimension_reduction_type",
            "dimension_reduction_target",
            "index_type",
            "index_metric",
            "faiss_index_ivf_nlists",
            "faiss_index_pq_m",
        )
        self._model = KNN(
            **{name: parameters[name] for name in passed_on},
            probes=parameters["_faiss_index_nprobe"],
            seed=SEED,
            threads=context.threads,
            collective=collective,
        )

    def execute(self) -> None:
        """The whole job after its hosts have met."""
        self._sample()
        self._index()
        if self._collective.leads:
            self._model.save(self._context.model_dir, self._context.current_host)
        self._test()

    def _batches(self, name: str) -> Iterator[Batch]:
        width = self._parameters["feature_dim"]
        classifies = self._parameters["predictor_type"] == "classifier"
        return training_batches(
            self._context.reader(name),
            int(self._parameters["mini_batch_size"]),
            feature_dim=None if width == "auto" else width,
            find_flaw=_class_flaw if classifies else _label_flaw,
        )

    def _sample(self) -> None:
        started, bounds = time.time(), np.full(2, np.inf)
        for batch in self._batches("train"):
            if not self._model.rows_seen_:
                check_reduction_target(
                    self._parameters["dimension_reduction_target"], batch.features.shape[1]
                )
            labels = _labels(batch, "train")
            self._model.partial_fit(batch.features, labels)
            bounds = np.minimum(bounds, [labels.min(), -labels.max()])
            if self._context.stop_requested():
                break
        ended = time.time()
        self._check_classes(bounds)
        rows = self._model.rows_seen_
        self._log.info(f"processed a total of {rows} examples")
        self._log.progress_metric(100.0)
        self._log.metrics(
            ALGORITHM,
            "training",
            {"update.time": (ended - started) * 1e3, "Total Records Seen": rows},
            start_time_s=started,
            end_time_s=ended,
            dimensions={"epoch": 0, "Meta": "training_data_iter"},
        )
        self._log.throughput_metric(rows / max(ended - started, 1e-9))

    def _check_classes(self, bounds: Any) -> None:
        """ClientError if all labels of all hosts, between these bounds, are one class."""
        low, high = self._collective.minimum(bounds) * [1, -1]
        classifies = self._parameters["predictor_type"] == "classifier"
        if classifies and low == high and not self._context.stop_requested():
            raise ClientError(
                f"All labels of the train channel are {low:g}. The predictor_type 'classifier' "
                "needs at least two classes."
            )

    def _index(self) -> None:
        started = time.time()
        try:
            self._model.finish(needed_everywhere="test" in self._context.channels)
        except ClientError:
            if self._context.stop_requested():
                raise InterruptedError("stopped before there were enough examples") from None
            raise
        ended = time.time()
        self._log.info(
            f"built the {self._parameters['index_type']} index of {self._model.sampled_rows_} "
            "sampled examples"
        )
        self._log.metrics(
            ALGORITHM,
            "training",
            {"model.serialize.time": (ended - started) * 1e3},
            start_time_s=started,
            end_time_s=ended,
        )

    def _test(self) -> None:
        if "test" not in self._context.channels:
            self._log.info("Test data is not provided.")
            return
        classifies = self._parameters["predictor_type"] == "classifier"
        scores = ClassifierScores() if classifies else RegressorScores()
        for batch in self._batches("test"):
            labels = _labels(batch, "test")
            for part in self._parts(batch):
                if self._context.stop_requested():
                    break
                scores.add(labels[part], self._model.predict(batch.features[part]))
        kind: Literal["score", "loss"] = "score" if classifies else "loss"
        figures = scores.result(self._collective)
        for name, value in figures.items():
            self._log.score("test", name, value)
        for name, value in figures.items():
            self._log.quality_metric("test", name, value, kind)

    def _parts(self, batch: Batch) -> Iterator[slice]:
        """Slices of the batch, each searched for in about a second at most."""
        products = self._model.sampled_rows_ * batch.features.shape[1]
        step = max(MIN_SEARCH_ROWS, SEARCH_PRODUCTS // max(1, products))
        return (slice(first, first + step) for first in range(0, batch.rows, step))


def _labels(batch: Batch, channel: str) -> Any:
    if batch.labels is None:
        raise ClientError(f"The examples of the {channel} channel have no labels.")
    if batch.labels.ndim != 1:
        raise ClientError(f"The examples of the {channel} channel have more than one label.")
    return batch.labels


def _label_flaw(batch: Batch) -> RowFlaw | None:
    """The first row whose features or label are no finite numbers."""
    flaw = feature_flaw(batch)
    if flaw is not None or batch.labels is None or batch.labels.ndim != 1:
        return flaw
    bad = np.flatnonzero(~np.isfinite(batch.labels))
    return RowFlaw(int(bad[0]), "has a label that is not a finite number.") if bad.size else None


def _class_flaw(batch: Batch) -> RowFlaw | None:
    """As `_label_flaw`, and classes are whole numbers."""
    flaw = _label_flaw(batch)
    if flaw is not None or batch.labels is None or batch.labels.ndim != 1:
        return flaw
    bad = np.flatnonzero(batch.labels != np.floor(batch.labels))
    if not bad.size:
        return None
    label = batch.labels[bad[0]]
    return RowFlaw(
        int(bad[0]),
        f"has the label {label}; the classes of predictor_type 'classifier' are whole numbers.",
    )
