"""Trains Random Cut Forest from a job's channels, with the log lines of AWS's image."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.training import training_batches
from sagebrush.algorithms.joined_hosts import joined_hosts
from sagebrush.algorithms.random_cut_forest.artifact import write_forest
from sagebrush.algorithms.random_cut_forest.evaluation import (
    ScoredRows,
    confusion,
    figures,
    label_flaw,
    threshold,
)
from sagebrush.algorithms.random_cut_forest.forest import Forest
from sagebrush.algorithms.random_cut_forest.hyperparameters import MINI_BATCH_SIZE
from sagebrush.algorithms.random_cut_forest.model import RandomCutForest
from sagebrush.algorithms.random_cut_forest.sampling import Reservoir, gather_sample

ALGORITHM = "RandomCutForest"
SEED = 0
READ_VALUES = 1 << 19
"""Values of a batch of rows, about: mini-batches of 1000 narrow rows would cost more to hand over
than to sample."""

Parameters = dict[str, Any]


def train(context: TrainingContext, parameters: Parameters) -> None:
    """Sample the ``train`` channel, grow and write the forest, judge it on the ``test`` channel.

    A stop request ends sampling; the forest is then that of the rows seen so far.
    """
    with joined_hosts(context, ALGORITHM) as collective:
        _Run(context, parameters, collective).execute()


class _Run:
    def __init__(
        self, context: TrainingContext, parameters: Parameters, collective: Collective
    ) -> None:
        self._context = context
        self._log = context.log
        self._parameters = parameters
        self._collective = collective
        self._feature_dim = int(parameters["feature_dim"])
        self._batch_rows = max(MINI_BATCH_SIZE, READ_VALUES // self._feature_dim)
        self._model = RandomCutForest(
            int(parameters["num_trees"]),
            int(parameters["num_samples_per_tree"]),
            seed=SEED,
            threads=context.threads,
        )

    def execute(self) -> None:
        """One job from the first row to the last figure."""
        reservoir = self._sample()
        forest = self._grow(reservoir)
        if self._collective.leads:
            self._log.info("Master node: Serializing the RandomCutForest model")
            write_forest(self._context.model_dir / f"model_{self._context.current_host}", forest)
        self._test(forest)

    def _sample(self) -> Reservoir:
        started = time.time()
        capacity = self._model.num_trees * self._model.num_samples_per_tree
        rng = np.random.default_rng([SEED, self._collective.rank])
        reservoir = Reservoir(capacity, self._feature_dim, rng)
        self._log.info("Sampling training data...")
        for batch in self._batches("train"):
            reservoir.add(batch.features)
            if self._context.stop_requested():
                break
        self._log.info("Sampling training data completed.")
        self._report(reservoir, started, time.time())
        return reservoir

    def _report(self, reservoir: Reservoir, started: float, ended: float) -> None:
        self._log.progress_metric(100.0)
        self._log.metrics(
            ALGORITHM,
            "training",
            {"update.time": (ended - started) * 1e3, "Total Records Seen": reservoir.rows_seen},
            start_time_s=started,
            end_time_s=ended,
            dimensions={"epoch": 0, "Meta": "training_data_iter"},
        )
        self._log.throughput_metric(reservoir.rows_seen / max(ended - started, 1e-9))

    def _batches(self, channel: str) -> Iterator[Batch]:
        reader = self._context.reader(channel)
        if channel == "train":
            return training_batches(reader, self._batch_rows, feature_dim=self._feature_dim)
        return training_batches(
            reader, self._batch_rows, feature_dim=self._feature_dim, find_flaw=label_flaw
        )

    def _grow(self, reservoir: Reservoir) -> Forest:
        started = time.time()
        self._log.info("Gathering samples...")
        sample, total = gather_sample(
            reservoir, self._collective, np.random.default_rng([SEED, self._collective.size])
        )
        if total == 0:
            raise ClientError("The train channel holds no examples.")
        self._log.info(f"{sample.shape[0]} samples gathered")
        self._log.info("Building Random Cut Forest...")
        self._model.grow(sample, stop_requested=self._context.stop_requested)
        forest = self._model.forest_
        assert forest is not None
        self._log.info(f"Random Cut Forest built: \n\n{_described(forest)}")
        self._log.metrics(
            ALGORITHM,
            "training",
            {"finalize.time": (time.time() - started) * 1e3, "model.bytes": forest.size_bytes},
            start_time_s=started,
            end_time_s=time.time(),
        )
        return forest

    def _test(self, forest: Forest) -> None:
        if "test" not in self._context.channels:
            self._log.info("Test data is not provided.")
            return
        scored = ScoredRows()
        try:
            self._score_share(forest, scored)
            if self._collective.any(self._context.stop_requested()):
                self._log.info("Training was stopped before all test data was scored.")
                return
            limit = threshold(scored, self._collective)
            counts = confusion(scored, limit, self._collective)
        finally:
            scored.close()
        if not counts.sum():
            raise ClientError("The test channel holds no examples.")
        self._log.info(f"Test scores above {limit} count as anomalous.")
        found = figures(counts, self._parameters["eval_metrics"])
        for name, value in found.items():
            self._log.score("test", name, value)
        for name, value in found.items():
            self._log.quality_metric("test", name, value, "score")

    def _score_share(self, forest: Forest, scored: ScoredRows) -> None:
        """Every host has all test data and scores its share of the batches."""
        for index, batch in enumerate(self._batches("test")):
            if self._context.stop_requested():
                break
            if index % self._collective.size != self._collective.rank:
                continue
            scores = forest.score(
                batch.features,
                threads=self._context.threads,
                stop_requested=self._context.stop_requested,
            )
            assert batch.labels is not None
            scored.add(scores, batch.labels.reshape(batch.rows, -1)[:, 0])


def _described(forest: Forest) -> str:
    counts = np.diff(forest.node_starts) + np.diff(forest.leaf_starts)
    return (
        f"ForestInfo{{num_trees: {forest.trees}, "
        f"num_samples_in_forest: {int(forest.tree_masses.sum())}, "
        f"num_samples_per_tree: {int(forest.tree_masses.max())}, "
        f"sample_dim: {forest.feature_dim}, shingle_size: 1, "
        f"max_num_nodes: {int(counts.max())}, min_num_nodes: {int(counts.min())}, "
        f"avg_num_nodes: {int(counts.mean())}, mem_size: {forest.size_bytes}}}"
    )
