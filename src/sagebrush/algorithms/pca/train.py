"""Trains principal component analysis from a job's channels and leaves artefact and log lines."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.channels import ChannelReader
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.training import training_batches
from sagebrush.algorithms.joined_hosts import joined_hosts
from sagebrush.algorithms.pca.model import PCA

ALGORITHM = "AWS/PCA"
SEED = 0
BLOCK_VALUES = 1 << 21

Parameters = dict[str, Any]


def train(context: TrainingContext, parameters: Parameters) -> None:
    """Sum up the ``train`` channel, write the components, score the ``test`` channel."""
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
            "num_components",
            "algorithm_mode",
            "extra_components",
            "subtract_mean",
            "epochs",
        )
        self._model = PCA(
            **{name: parameters[name] for name in passed_on},
            seed=SEED,
            threads=context.threads,
            collective=collective,
        )

    def execute(self) -> None:
        """The whole job after its hosts have met."""
        reader = self._context.reader("train")
        epochs = int(self._parameters["epochs"])
        for epoch in range(epochs):
            # Sums that are exact already are not made again.
            if epoch and not self._model.refine():
                self._log.progress_metric(100.0)
                break
            self._epoch(epoch, epochs, reader)
            if self._collective.any(self._context.stop_requested()):
                break
        self._model.finish(rows_required=not self._context.stop_requested())
        if self._collective.leads:
            self._model.save(self._context.model_dir, self._context.current_host)
        self._test()

    def _batches(self, reader: ChannelReader) -> Iterator[Batch]:
        width = int(self._parameters["feature_dim"])
        # Sums do not depend on how rows are cut, so a block is what is fast and bounds memory.
        rows = max(1, BLOCK_VALUES // width)
        return training_batches(reader, rows, feature_dim=width, default_label_size=0)

    def _epoch(self, epoch: int, epochs: int, reader: ChannelReader) -> None:
        started, rows = time.time(), 0
        for batch in self._batches(reader):
            self._model.partial_fit(batch.features)
            rows += batch.rows
            if self._context.stop_requested():
                break
        ended = time.time()
        self._log.info(f"processed a total of {rows} examples")
        self._log.progress_metric(100.0 * (epoch + 1) / epochs)
        self._log.metrics(
            ALGORITHM,
            "training",
            {"update.time": (ended - started) * 1e3, "Total Records Seen": rows},
            start_time_s=started,
            end_time_s=ended,
            dimensions={"epoch": epoch, "Meta": "training_data_iter"},
        )
        self._log.throughput_metric(rows / max(ended - started, 1e-9))

    def _test(self) -> None:
        if "test" not in self._context.channels:
            self._log.info("Test data is not provided.")
            return
        totals = np.zeros(3)
        for batch in self._batches(self._context.reader("test")):
            if self._context.stop_requested():
                break
            totals += self._explained(batch)
        rows, size, explained = self._collective.sum(totals)
        loss = max(0.0, size - explained) / max(rows, 1.0)
        ratio = explained / size if size else 1.0
        self._log.score("test", "reconstruction_loss", loss)
        self._log.quality_metric("test", "reconstruction_loss", loss, "loss")
        self._log.quality_metric("test", "explained_variance_ratio", ratio, "score")

    def _explained(self, batch: Batch) -> Any:
        """Rows, their squared distance to the mean and how much of it the components keep."""
        features = batch.features
        dense = features.toarray() if sparse.issparse(features) else features
        centred = (dense - self._model.mean_).ravel()
        projected = self._model.transform(features).astype(np.float64).ravel()
        return np.array([batch.rows, centred @ centred, projected @ projected])
