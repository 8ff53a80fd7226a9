"""Trains IP Insights from a job's channels and leaves the artefact and the lines of AWS's image."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sagebrush.algorithms.channels import ChannelReader
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.ip_insights.discriminator import ScoreCounts, area_under_curve
from sagebrush.algorithms.ip_insights.encoder import Doubles
from sagebrush.algorithms.ip_insights.model import BatchFigures, IPInsights
from sagebrush.algorithms.ip_insights.pairs import (
    Dropped,
    Packed,
    pack,
    read_pairs,
    unpack,
    windows,
)
from sagebrush.algorithms.joined_hosts import joined_hosts

ALGORITHM = "AWS/IPInsights"
SEED = 0
WINDOW_PAIRS = 1 << 23
SCORED_PAIRS = 1 << 14
LARGEST_HOSTED_BYTES = 8e9
NOT_PASSED_ON = ("batch_metrics_publish_interval", "feature_dim")


def train(context: TrainingContext, parameters: dict[str, Any]) -> None:
    """Train on the ``train`` channel, score ``validation`` each epoch, write the model.

    Every host of the job runs this on its part of the data; the first one writes the model.
    """
    with joined_hosts(context, ALGORITHM) as collective:
        _Run(context, parameters, collective).execute()


class _Windows:
    """Passes over a channel in windows of pairs; data that fits in one is read only once."""

    def __init__(self, reader: ChannelReader, dropped: Dropped, pairs: int) -> None:
        self._reader = reader
        self._dropped = dropped
        self._pairs = pairs
        self._kept: Packed | None = None

    def __call__(self) -> Iterator[Packed]:
        if self._kept is not None:
            yield self._kept
            return
        count = 0
        for count, window in enumerate(self._read(), 1):
            self._kept = window if count == 1 and window.shape[0] < self._pairs else None
            yield window
        if count == 0:
            raise ClientError(
                f"The {self._reader.config.name!r} channel holds no pair of an entity and an IPv4 "
                f"address{self._reason()}."
            )

    def _read(self) -> Iterator[Packed]:
        return windows(read_pairs(self._reader, self._dropped), self._pairs)

    def _reason(self) -> str:
        if not self._dropped.lines:
            return ""
        return f": {self._dropped.lines} rows have no valid address, {self._dropped.first}"


class _Run:
    def __init__(
        self, context: TrainingContext, parameters: dict[str, Any], collective: Collective
    ) -> None:
        self._context = context
        self._log = context.log
        self._collective = collective
        self._epochs = int(parameters["epochs"])
        self._interval = int(parameters["batch_metrics_publish_interval"])
        passed = {name: v for name, v in parameters.items() if name not in NOT_PASSED_ON}
        self._model = IPInsights(
            **passed, seed=SEED, threads=context.threads, collective=collective
        )
        self._warned: set[str] = set()

    def execute(self) -> None:
        """The whole job after its hosts have met."""
        self._warn_of_size()
        data = self._channel("train")
        validation = self._channel("validation") if "validation" in self._context.channels else None
        with self._model.working():
            for epoch in range(self._epochs):
                self._epoch(epoch, data)
                stopped = self._collective.any(self._context.stop_requested())
                if validation is not None and not stopped:
                    self._validate(epoch, validation)
                if stopped:
                    break
        if self._collective.leads:
            self._model.save(self._context.model_dir, self._context.current_host)

    def _warn_of_size(self) -> None:
        size_bytes = 4 * self._model.num_entity_vectors * self._model.vector_dim
        if size_bytes > LARGEST_HOSTED_BYTES:
            self._log.warning(
                f"'num_entity_vectors' times 'vector_dim' makes a model of {size_bytes / 1e9:.1f} "
                "GB, more than the 8 GB that the hosted image supports; here only the vectors of "
                "entities in the data take room."
            )

    def _channel(self, name: str) -> tuple[_Windows, Dropped]:
        dropped = Dropped()
        return _Windows(self._context.reader(name), dropped, WINDOW_PAIRS), dropped

    def _epoch(self, epoch: int, data: tuple[_Windows, Dropped]) -> None:
        started = interval_started = time.time()
        total = np.zeros(3)
        recent = np.zeros(3)
        batches = self._batches(data[0])
        batch = next(batches, None)
        self._report_dropped("train", data[1])
        number = 0
        while self._collective.any(batch is not None and not self._context.stop_requested()):
            figures = np.array(self._model.partial_fit(batch))
            total += figures
            recent += figures
            if number % self._interval == 0:
                self._report_batch(epoch, number, recent, time.time() - interval_started)
                recent, interval_started = np.zeros(3), time.time()
            batch = next(batches, None)
            number += 1
        self._report_dropped("train", data[1])
        self._report_epoch(epoch, self._collective.sum(total), number, started)

    def _batches(self, data: _Windows) -> Iterator[Packed]:
        for window in data():
            yield from self._model.batches(window)

    def _report_batch(self, epoch: int, number: int, recent: Doubles, seconds: float) -> None:
        figures = BatchFigures(*recent)
        speed = self._pairs(figures.samples) / max(seconds, 1e-9)
        loss, accuracy = _means(figures)
        self._log.info(
            f"Epoch[{epoch}] Batch [{number}]\tSpeed: {speed:.2f} samples/sec\t"
            f"binary_classification_accuracy={accuracy:.6f}\t"
            f"binary_classification_cross_entropy={loss:.6f}"
        )
        self._report_quality(epoch, loss, accuracy, batch=number)

    def _report_quality(
        self, epoch: int, loss: float, accuracy: float, batch: int | None = None
    ) -> None:
        self._log.quality_metric(
            "train", "binary_classification_accuracy", accuracy, "score", epoch=epoch, batch=batch
        )
        self._log.quality_metric(
            "train", "binary_classification_cross_entropy", loss, "loss", epoch=epoch, batch=batch
        )

    def _report_epoch(self, epoch: int, total: Doubles, batches: int, started: float) -> None:
        figures = BatchFigures(*total)
        loss, accuracy = _means(figures)
        ended = time.time()
        pairs = self._pairs(figures.samples)
        self._log.info(f"Epoch[{epoch}] Time cost={ended - started:.3f}")
        self._report_quality(epoch, loss, accuracy)
        self._log.progress_metric(100.0 * (epoch + 1) / self._epochs)
        self._log.metrics(
            ALGORITHM,
            "training",
            {
                "epochs": self._epochs,
                "Number of Batches Since Last Reset": batches,
                "Number of Records Since Last Reset": pairs,
                "update.time": (ended - started) * 1e3,
            },
            start_time_s=started,
            end_time_s=ended,
            dimensions={"epoch": epoch, "Meta": "training_data_iter"},
        )
        self._log.throughput_metric(pairs / max(ended - started, 1e-9))

    def _pairs(self, samples: float) -> float:
        model = self._model
        rates = model.random_negative_sampling_rate + model.shuffled_negative_sampling_rate
        return samples / (1 + rates)

    def _report_dropped(self, channel: str, dropped: Dropped) -> None:
        if dropped.lines and channel not in self._warned:
            self._warned.add(channel)
            self._log.warning(
                f"Rows without a valid IPv4 address are skipped: {dropped.lines} so far in the "
                f"{channel} channel; {dropped.first}."
            )

    def _validate(self, epoch: int, data: tuple[_Windows, Dropped]) -> None:
        """The AUC of the channel's pairs against as many with random addresses."""
        counts = ScoreCounts()
        rng = np.random.default_rng([SEED, self._collective.rank])
        for window in data[0]():
            for first in range(0, window.shape[0], SCORED_PAIRS):
                if self._context.stop_requested():
                    break
                real = window[first : first + SCORED_PAIRS]
                counts.add(self._model.score(real), real=True)
                generated = _with_random_addresses(real, rng)
                counts.add(self._model.score(generated), real=False)
        self._report_dropped("validation", data[1])
        area = area_under_curve(self._collective.sum(counts.counts))
        self._log.quality_metric("validation", "discriminator_auc", area, "score", epoch=epoch)


def _means(figures: BatchFigures) -> tuple[float, float]:
    """Mean cross entropy and accuracy."""
    samples = max(figures.samples, 1.0)
    return figures.loss / samples, figures.right / samples


def _with_random_addresses(pairs: Packed, rng: np.random.Generator) -> Packed:
    """The pairs' entities, each with a uniformly random address."""
    addresses = rng.integers(0, 1 << 32, size=pairs.shape, dtype=np.uint32)
    return pack(unpack(pairs)[0], addresses)
