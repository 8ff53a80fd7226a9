"""The passes over the training data: from the channel once, from memory afterwards where it fits.

Data that fits the budget is kept as slots and values and shuffled for every later epoch; larger
data streams by again in its own order, at constant memory.

The learning rates are those asked for during the first part of the epochs and then fall linearly
towards zero: Adam with a constant rate keeps wandering around the optimum by about the rate.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.factorization_machines.evaluation import (
    FALSE_NEGATIVE,
    ROWS,
    TRUE_POSITIVE,
)
from sagebrush.algorithms.factorization_machines.kernel import STATISTICS
from sagebrush.algorithms.factorization_machines.machine import Machine, as_rows
from sagebrush.algorithms.factorization_machines.settings import GROUPS, Settings
from sagebrush.algorithms.factorization_machines.trainer import Examples, Gradient, Trainer
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.replay import Pass, default_budget_bytes

# Share of the epochs, at the end, in which the learning rates fall.
FALLING_SHARE = 0.4
# Multiplications of one call into the kernel: some hundredths of a second, since nothing is
# reported and no stop is seen meanwhile.
CALL_WORK = 1 << 24

Doubles = NDArray[np.float64]
Order = NDArray[np.int64]


class Observer:
    """Told what happens during training; does nothing."""

    def batch_trained(self, epoch: int, batch: int, sums: Doubles) -> None:
        """A mini-batch was learned from; its sums are of the scores before (`Trainer.train`)."""

    def epoch_trained(self, epoch: int, sums: Doubles, seconds: float) -> None:
        """An epoch ended, with the sums over its mini-batches, those of all hosts."""


class Fitting:
    """One training run.

    ``train`` begins a pass over this host's data in batches of a multiple of ``mini_batch_size``
    rows, of which the last may be shorter. ClientError for data or rates that cannot be learned
    from.
    """

    def __init__(
        self,
        settings: Settings,
        train: Pass,
        *,
        seed: int,
        threads: int,
        collective: Collective,
        observer: Observer,
        stop_requested: Callable[[], bool],
        budget_bytes: int | None = None,
    ) -> None:
        self.settings = settings
        self.collective = collective
        self.observer = observer
        self.stop_requested = stop_requested
        self.epochs_ended = 0
        self._source = train
        self._rng = np.random.default_rng(seed)
        self._trainer = Trainer(settings, seed=seed, threads=threads)
        # Nothing is kept in memory for the next epoch if there is none.
        budget = default_budget_bytes() if budget_bytes is None else budget_bytes
        self._kept = _Kept(0 if settings.epochs == 1 else budget)

    def run(self) -> Machine:
        """Train; the machine as it is after the last epoch or when a stop was requested."""
        with self._trainer:
            for epoch in range(self.settings.epochs):
                self._trainer.scale_rates(rate_share(epoch, self.settings.epochs))
                complete = self._epoch(epoch)
                self.epochs_ended += 1
                if not complete:
                    break
            return self._machine()

    def _epoch(self, epoch: int) -> bool:
        """Train on every example once; False if a stop was requested."""
        started, sums, batch, stopped = time.monotonic(), np.zeros(STATISTICS), 0, False
        for statistics in self._steps():
            for row in statistics:
                if batch % self.settings.batch_metrics_publish_interval == 0:
                    self.observer.batch_trained(epoch, batch, row)
                batch += 1
            sums += statistics.sum(axis=0)
            _require_finite(sums)
            if self._stopping():
                stopped = True
                break
        self._check_first(epoch, sums, stopped)
        self.observer.epoch_trained(epoch, sums, time.monotonic() - started)
        return not stopped

    def _stopping(self) -> bool:
        return self.collective.any(self.stop_requested())

    def _steps(self) -> Iterator[Doubles]:
        """Take the epoch's steps; yields the statistics of some mini-batches at a time."""
        parts = self._parts()
        if self.collective.size == 1:
            for examples, order in parts:
                for chosen in self._calls(examples, order):
                    yield self._trainer.train(examples, chosen, self.settings.mini_batch_size)
            return
        batches = (
            (examples, order[first : first + self.settings.mini_batch_size])
            for examples, order in parts
            for first in range(0, len(order), self.settings.mini_batch_size)
        )
        while (statistics := self._common_step(next(batches, None))) is not None:
            yield statistics[None]

    def _parts(self) -> Iterator[tuple[Examples, Order]]:
        """The examples of one pass and the order to take them in."""
        if self._kept.complete:
            examples = self._kept.joined()
            if examples is not None:
                yield examples, self._rng.permutation(examples.rows)
            return
        self._kept.restart()
        for batch in self._source():
            examples = self._examples(batch)
            self._kept.add(examples)
            yield examples, np.arange(examples.rows)
        self._kept.finish()

    def _calls(self, examples: Examples, order: Order) -> Iterator[Order]:
        """The order in pieces of whole mini-batches that one call may take."""
        size = self.settings.mini_batch_size
        entries = max(1, len(examples.slots) // max(examples.rows, 1))
        batches = CALL_WORK // (entries * (self.settings.num_factors + 4) * size)
        step = size * max(1, batches)
        for first in range(0, len(order), step):
            yield order[first : first + step]

    def _examples(self, batch: Batch) -> Examples:
        if batch.labels is None or batch.labels.ndim != 1:
            raise ClientError("Factorization Machines needs exactly one label for each example.")
        rows = as_rows(batch.features, self.settings.feature_dim)
        slots = self._trainer.slots(np.ascontiguousarray(rows.indices, np.int32))
        ends = rows.indptr.astype(np.int64, copy=False)
        return Examples(ends, slots, rows.data, np.ascontiguousarray(batch.labels, np.float32))

    def _common_step(self, batch: tuple[Examples, Order] | None) -> Doubles | None:
        """One step along the gradient of all hosts' mini-batches; None when no host has any.

        The statistics are those of all hosts.
        """
        width = self.settings.num_factors + 2
        if batch is None:
            own = Gradient(np.empty(0, np.int32), np.empty((0, width), np.float32), 0.0)
            statistics = np.zeros(STATISTICS)
        else:
            own, statistics = self._trainer.gradient(*batch)
        totals = self.collective.sum(np.array([*statistics, own.bias]))
        if totals[ROWS] == 0:
            return None
        packed = np.column_stack([own.features.view(np.float32), own.sums])
        packed = np.asarray(self.collective.concatenate(packed))
        features, place = np.unique(
            np.ascontiguousarray(packed[:, 0]).view(np.int32), return_inverse=True
        )
        sums = np.zeros((len(features), width), np.float32)
        np.add.at(sums, place, packed[:, 1:])
        self._trainer.step(Gradient(features, sums, float(totals[-1])), int(totals[ROWS]))
        return np.asarray(totals[:-1])

    def _check_first(self, epoch: int, sums: Doubles, stopped: bool) -> None:
        """ClientError when there were no examples, or those of one class only."""
        if epoch > 0 or stopped:
            return
        if sums[ROWS] == 0:
            raise ClientError("The train channel holds no examples.")
        positives = sums[TRUE_POSITIVE] + sums[FALSE_NEGATIVE]
        if self.settings.is_binary and positives in (0, sums[ROWS]):
            raise ClientError(
                f"All labels of the train channel are {int(positives > 0)}. A binary_classifier "
                "needs examples of both classes, 0 and 1."
            )

    def _machine(self) -> Machine:
        """What was learned; a feature that never occurred has the mean of its initial values."""
        settings, found = self.settings, self._trainer.parameters()
        features, factors, linear = found.features, found.factors, found.linear
        unseen = [settings.group(name).expectation for name in GROUPS[1:]]
        if not settings.use_linear:
            unseen[0] = 0.0
        if len(features) < settings.feature_dim and any(unseen):
            every_factor = np.full((settings.feature_dim, settings.num_factors), unseen[1], "f4")
            every_linear = np.full(settings.feature_dim, unseen[0], "f4")
            every_factor[features], every_linear[features] = factors, linear
            factors, linear = every_factor, every_linear
        complete = len(linear) == settings.feature_dim
        return Machine(
            settings.feature_dim,
            None if complete else features,
            factors,
            linear,
            found.bias,
            settings.is_binary,
        )


def rate_share(epoch: int, epochs: int) -> float:
    """The share of the learning rates that counts in an epoch (from 0)."""
    return min(1.0, (1.0 - epoch / epochs) / FALLING_SHARE)


def _require_finite(sums: Doubles) -> None:
    if not np.isfinite(sums).all():
        raise ClientError(
            "The loss has become infinite or NaN. Lower bias_lr, linear_lr and factors_lr, or set "
            "clip_gradient; very large feature values need smaller rates, and eps may not be 0."
        )


class _Kept:
    """Examples kept for later epochs while they fit the budget."""

    def __init__(self, budget_bytes: int) -> None:
        self.complete = False
        self._budget_bytes = budget_bytes
        self._parts: list[Examples] = []
        self._size_bytes = 0
        self._joined: Examples | None = None

    def restart(self) -> None:
        """A pass begins."""
        self._parts, self._size_bytes = [], 0

    def add(self, examples: Examples) -> None:
        """Keep the examples, or nothing from now on if the budget is exceeded."""
        self._size_bytes += sum(array.nbytes for array in examples)
        if self._size_bytes <= self._budget_bytes:
            self._parts.append(examples)
        else:
            self._parts = []

    def finish(self) -> None:
        """The pass has ended; later ones come from memory if all was kept."""
        self.complete = self._size_bytes <= self._budget_bytes

    def joined(self) -> Examples | None:
        """All examples in one piece, None if there are none."""
        if self._joined is None and self._parts:
            counts = np.concatenate([np.diff(part.ends) for part in self._parts])
            ends = np.zeros(len(counts) + 1, np.int64)
            np.cumsum(counts, out=ends[1:])
            self._joined = Examples(
                ends,
                np.concatenate([part.slots for part in self._parts]),
                np.concatenate([part.values for part in self._parts]),
                np.concatenate([part.labels for part in self._parts]),
            )
            self._parts = []
        return self._joined
