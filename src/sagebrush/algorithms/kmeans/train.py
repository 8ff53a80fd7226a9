"""Trains K-Means from a job's channels and leaves the artefact and the log lines of AWS's image."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.training import training_batches
from sagebrush.algorithms.joined_hosts import joined_hosts
from sagebrush.algorithms.kmeans.artifact import write_centers
from sagebrush.algorithms.kmeans.model import KMeans
from sagebrush.algorithms.replay import Pass, ReplayedPass
from sagebrush.algorithms.training_state import load_state, save_state

ALGORITHM = "AWS/KMeansWebscale"
CHECKPOINT = "kmeans-checkpoint"
SEED = 0

Parameters = dict[str, Any]


def train(context: TrainingContext, parameters: Parameters) -> None:
    """Train on the ``train`` channel, score the ``test`` channel, write the model (first host)."""
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
        self._epochs = int(parameters["epochs"])
        passed_on = (
            "k",
            "init_method",
            "mini_batch_size",
            "epochs",
            "extra_center_factor",
            "half_life_time_size",
            "local_lloyd_init_method",
            "local_lloyd_max_iter",
            "local_lloyd_num_trials",
            "local_lloyd_tol",
        )
        self._model = KMeans(
            **{name: parameters[name] for name in passed_on},
            seed=SEED,
            threads=context.threads,
            collective=collective,
            stop_requested=context.stop_requested,
        )

    def execute(self) -> None:
        """The whole job after its hosts have met."""
        data = ReplayedPass(
            self._channel("train"),
            rng=np.random.default_rng(SEED),
            # Nothing is kept in memory for the next epoch if there is none.
            budget_bytes=0 if self._epochs == 1 else None,
            sample_bytes=0,
        )
        state = load_state(self._context.checkpoint_dir, CHECKPOINT, self._collective)
        first_epoch = 0
        if state is not None and self._fits(state):
            first_epoch = int(state.pop("epochs_done"))
            self._model.restore(state)
            self._log.info(f"Resuming from the checkpoint of epoch {first_epoch}.")
        for epoch in range(first_epoch, self._epochs):
            self._epoch(epoch, data(), is_first=epoch == first_epoch and state is None)
            if self._collective.any(self._context.stop_requested()):
                break
        self._finish()
        self._test()

    def _fits(self, state: dict[str, Any]) -> bool:
        centers = state["centers"]
        return bool(
            centers.shape[1] == self._parameters["feature_dim"]
            and centers.shape[0] >= self._parameters["k"]
        )

    def _channel(self, name: str) -> Pass:
        reader = self._context.reader(name)
        width = int(self._parameters["feature_dim"])
        size = int(self._parameters["mini_batch_size"])

        def batches() -> Iterator[Batch]:
            return training_batches(reader, size, feature_dim=width)

        return batches

    def _epoch(self, epoch: int, batches: Iterator[Batch], *, is_first: bool) -> None:
        started, rows = time.time(), 0
        batch = next(batches, None)
        if is_first:
            self._start(batch)
        while self._collective.any(batch is not None and not self._context.stop_requested()):
            self._model.partial_fit(None if batch is None else batch.features)
            rows += 0 if batch is None else batch.rows
            batch = next(batches, None)
        ended = time.time()
        self._log.info(f"processed a total of {rows} examples")
        self._log.progress_metric(100.0 * (epoch + 1) / self._epochs)
        self._log.metrics(
            ALGORITHM,
            "training",
            {"update.time": (ended - started) * 1e3, "Total Records Seen": rows},
            start_time_s=started,
            end_time_s=ended,
            dimensions={"epoch": epoch, "Meta": "training_data_iter"},
        )
        self._log.throughput_metric(rows / max(ended - started, 1e-9))
        self._checkpoint(epoch)

    def _start(self, batch: Batch | None) -> None:
        wanted = int(self._parameters["mini_batch_size"])
        if batch is None:
            raise ClientError("The train channel holds no examples.")
        if batch.rows < wanted:
            self._log.warning(
                f"Batch size {wanted} is bigger than the first batch data. Effective batch size "
                f"used to initialize is {batch.rows}"
            )
        self._model.start(batch.features)
        if self._parameters["extra_center_factor"] == "auto":
            self._log.info(
                "'extra_center_factor' was set to 'auto', evaluated to "
                f"{self._model.center_factor_}."
            )

    def _checkpoint(self, epoch: int) -> None:
        folder = self._context.checkpoint_dir
        # An epoch that was cut short is repeated from its beginning.
        complete = not self._context.stop_requested()
        if folder is not None and self._collective.leads and complete:
            save_state(
                folder, CHECKPOINT, {**self._model.state(), "epochs_done": np.array(epoch + 1)}
            )

    def _finish(self) -> None:
        count = int(self._parameters["k"])
        self._log.info(f"shrinking {count * self._model.center_factor_} centers into {count}")
        self._model.finish(self._report_attempt)
        self._log.info(
            f"finished shrinking process. Mean Square Distance = {self._model.train_msd_}"
        )
        self._log.quality_metric("train", "msd", self._model.train_msd_, "loss")
        assert self._model.centers_ is not None
        if self._collective.leads:
            path = self._context.model_dir / f"model_{self._context.current_host}"
            write_centers(path, self._model.centers_)

    def _report_attempt(self, attempt: int, distance: float) -> None:
        self._log.info(
            f"local kmeans attempt #{attempt}. Current mean square distance {distance:.6f}"
        )

    def _test(self) -> None:
        if "test" not in self._context.channels:
            self._log.info("Test data is not provided.")
            return
        totals = np.zeros(2)
        for batch in self._channel("test")():
            distances = self._model.assign(batch.features)[1].astype(np.float64)
            totals += np.array([batch.rows, distances @ distances])
        rows, square = self._collective.sum(totals)
        figures = {"msd": square / max(rows, 1.0), "ssd": square}
        for name in self._parameters["eval_metrics"]:
            self._log.score("test", name, float(figures[name]))
        for name in self._parameters["eval_metrics"]:
            self._log.quality_metric("test", name, float(figures[name]), "loss")
