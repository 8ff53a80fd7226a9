"""Parameters of the features that occur, and mini-batch training on them with several threads.

Every feature that occurs has a slot, and its slot a row: factors, linear weight and Adam's running
moments of both. A feature that never occurs costs four bytes of a page that is never touched. See
`kernel.c` for the layout and the order of sums.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.factorization_machines.kernel import (
    LINE_FLOATS,
    SEGMENT_ROWS,
    STATISTICS,
    Model,
    Work,
    kernel,
)
from sagebrush.algorithms.factorization_machines.settings import (
    BETA_1,
    BETA_2,
    GROUPS,
    INIT_METHODS,
    Group,
    Settings,
)

# Below so many multiplications per mini-batch threads wait for each other longer than they work.
MIN_SHARED_WORK = 1 << 14
# Calls after which the slower number of threads is tried again.
RETRY_CALLS = 16

Floats = NDArray[np.float32]
Slots = NDArray[np.int32]
Order = NDArray[np.int64]
Doubles = NDArray[np.float64]


class Examples(NamedTuple):
    """Rows whose columns are slots, and their labels.

    The entries of row i are ``ends[i]`` to ``ends[i + 1]`` of ``slots`` and ``values``. ``ends``
    (n + 1,) int64, ``labels`` (n,) float32.
    """

    ends: Order
    slots: Slots
    values: Floats
    labels: Floats

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.labels)


class Gradient(NamedTuple):
    """The summed gradient of a mini-batch: (count,) features, (count, k + 2) sums, the bias's."""

    features: Slots
    sums: Floats
    bias: float


class Parameters(NamedTuple):
    """What a model has learned: of the (m,) int32 features that occurred, in ascending order,
    their (m, k) factors and (m,) linear weights; and the bias.
    """

    features: Slots
    factors: Floats
    linear: Floats
    bias: float


class Trainer:
    """The parameters of one model while it learns; close it after use.

    ``threads`` share the work of each mini-batch and do not change the result.
    """

    def __init__(self, settings: Settings, *, seed: int, threads: int = 1) -> None:
        self.settings = settings
        self.seed = seed
        self.threads = max(1, threads)
        self.occurred = 0
        self._kernel = kernel()
        self._stride = -(-(3 * settings.num_factors + 4) // LINE_FLOATS) * LINE_FLOATS
        self._slot_of: Slots = np.zeros(settings.feature_dim, np.int32)
        self._features: Slots = np.empty(0, np.int32)
        self._segments: list[Floats] = []
        self._addresses = np.zeros(-(-settings.feature_dim // SEGMENT_ROWS), np.uint64)
        self._model = self._new_model()
        self._scratch: dict[str, NDArray[Any]] = {}
        self._pool = _warm_pool(self.threads - 1) if self.threads > 1 else None
        self._choice = _ThreadChoice(self.threads)

    def _new_model(self) -> Model:
        settings = self.settings
        groups = [settings.group(name) for name in GROUPS]
        return Model(
            factors=settings.num_factors,
            segments=self._addresses.ctypes.data,
            bias=_first_bias(groups[0], self.seed) if settings.use_bias else 0.0,
            rate=tuple(group.learning_rate for group in groups),
            decay=tuple(group.weight_decay for group in groups),
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=settings.epsilon,
            clip=-1.0 if settings.clip_gradient is None else settings.clip_gradient,
            rescale=settings.rescale_grad or 0.0,
            has_rescale=settings.rescale_grad is not None,
            is_logistic=settings.is_binary,
            use_bias=settings.use_bias,
            use_linear=settings.use_linear,
        )

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def slots(self, columns: Slots) -> Slots:
        """The slot of each column (0 to feature_dim - 1), given to those that have none yet."""
        settings = self.settings
        found = np.empty(len(columns), np.int32)
        room = min(self.occurred + len(columns), settings.feature_dim)
        if room > len(self._features):
            grown = np.empty(min(max(room, 2 * self.occurred), settings.feature_dim), np.int32)
            grown[: self.occurred] = self._features[: self.occurred]
            self._features = grown
        before = self.occurred
        self.occurred = self._kernel.assign_slots(
            columns, len(columns), self._slot_of, self._features, before, found
        )
        self._start_rows(before)
        return found

    def _start_rows(self, first: int) -> None:
        while len(self._segments) * SEGMENT_ROWS < self.occurred:
            beyond = self.settings.feature_dim - len(self._segments) * SEGMENT_ROWS
            segment = _aligned(min(SEGMENT_ROWS, beyond) * self._stride)
            self._addresses[len(self._segments)] = segment.ctypes.data
            self._segments.append(segment)
        groups = [self.settings.group(name) for name in ("linear", "factors")]
        methods = np.array([INIT_METHODS.index(group.init_method) for group in groups], np.int32)
        amounts = np.array([group.init_amount for group in groups], np.float64)
        self._kernel.start_rows(
            self._model, self._features, first, self.occurred, self.seed, methods, amounts
        )

    def train(self, examples: Examples, order: Order, batch_rows: int) -> Doubles:
        """Take a step on each mini-batch of ``batch_rows`` examples in the given order.

        Returns a row of statistics for each, of the examples as they were scored before the step:
        rows, summed loss, summed absolute derivative of the loss by the score, true positives,
        false positives, false negatives.
        """
        rows = len(order)
        batch_rows = min(batch_rows, rows)
        lengths = examples.ends[order + 1] - examples.ends[order]
        starts = np.arange(0, rows, batch_rows)
        largest = int(np.add.reduceat(lengths, starts).max())
        statistics = np.zeros((len(starts), STATISTICS))
        work = self._work(examples, order, batch_rows, statistics)
        is_shared = largest * (self.settings.num_factors + 4) >= MIN_SHARED_WORK
        threads = self._choice.next() if is_shared else 1
        own = [self._own_scratch(thread, largest) for thread in range(threads)]

        def run(thread: int) -> None:
            self._kernel.train_batches(
                self._model, work, rows, batch_rows, thread, threads, *own[thread]
            )

        started = time.perf_counter()
        self._run_in(threads, run)
        if is_shared:
            self._choice.took(threads, (time.perf_counter() - started) / int(lengths.sum()))
        return statistics

    def _own_scratch(self, thread: int, entries: int) -> tuple[Slots, Floats]:
        """A thread's space for the slots and gradients of a mini-batch with so many entries."""
        room = min(entries, self.occurred)
        touched = self._array(f"touched-{thread}", room, np.int32)
        width = self.settings.num_factors + 2
        return touched, self._array(f"gradients-{thread}", room * width, np.float32)

    def _run_in(self, threads: int, run: Callable[[int], None]) -> None:
        """Call the function with 0 to threads - 1 at once."""
        others = [
            self._pool.submit(run, thread) for thread in range(1, threads) if self._pool is not None
        ]
        run(0)
        for other in others:
            other.result()

    def _work(self, examples: Examples, order: Order, batch_rows: int, statistics: Doubles) -> Work:
        """The call's structure; it holds addresses, so what it is made of must outlive it."""
        scratch = {
            name: self._array(name, batch_rows, np.float32)
            for name in ("by_score", "losses", "scores")
        }
        scratch["sums"] = self._array("sums", batch_rows * self.settings.num_factors, np.float32)
        arrays = {
            **scratch,
            "ends": examples.ends,
            "slots": examples.slots,
            "values": examples.values,
            "labels": examples.labels,
            "order": order,
            "statistics": statistics,
        }
        return Work(**{name: array.ctypes.data for name, array in arrays.items()})

    def _array(self, name: str, size: int, dtype: type[np.generic]) -> NDArray[Any]:
        """Scratch space that is kept for the next call."""
        kept = self._scratch.get(name)
        if kept is None or len(kept) < size:
            kept = self._scratch[name] = np.empty(max(size, 1), dtype)
        return kept

    def gradient(self, examples: Examples, order: Order) -> tuple[Gradient, Doubles]:
        """The summed gradient of the examples that ``order`` names, and their statistics."""
        rows, width = len(order), self.settings.num_factors + 2
        entries = int((examples.ends[order + 1] - examples.ends[order]).sum())
        statistics = np.zeros((1, STATISTICS))
        room = min(entries, self.occurred)
        touched = np.empty(room, np.int32)
        sums = np.empty((room, width), np.float32)
        work = self._work(examples, order, rows, statistics)
        count = self._kernel.collect_gradient(self._model, work, rows, touched, sums)
        bias = float(self._scratch["by_score"][:rows].sum(dtype=np.float64))
        return Gradient(self._features[touched[:count]], sums[:count], bias), statistics[0]

    def step(self, gradient: Gradient, rows: int) -> None:
        """One step along a gradient summed over so many rows."""
        slots = self.slots(gradient.features)
        sums = np.ascontiguousarray(gradient.sums, np.float32)
        self._kernel.apply_gradient(self._model, slots, len(slots), sums, gradient.bias, rows)

    def scale_rates(self, share: float) -> None:
        """Learn with this share of the learning rates of the settings from now on."""
        rates = (share * self.settings.group(name).learning_rate for name in GROUPS)
        self._model.rate = tuple(rates)

    def parameters(self) -> Parameters:
        """A copy of what has been learned."""
        k = self.settings.num_factors
        order = np.argsort(self._features[: self.occurred], kind="stable")
        place_of = np.empty_like(order)
        place_of[order] = np.arange(len(order))
        factors = np.empty((self.occurred, k), np.float32)
        linear = np.empty(self.occurred, np.float32)
        for index, segment in enumerate(self._segments):
            first = index * SEGMENT_ROWS
            rows = segment.reshape(-1, self._stride)[: self.occurred - first]
            places = place_of[first : first + len(rows)]
            factors[places] = rows[:, :k]
            linear[places] = rows[:, k]
        return Parameters(self._features[order], factors, linear, float(self._model.bias))


class _ThreadChoice:
    """One thread or all, whichever has been faster.

    Threads that meet twice in each mini-batch lose much where other programs keep the cores busy.
    The result is the same either way.
    """

    def __init__(self, threads: int) -> None:
        self._seconds = dict.fromkeys(sorted({1, threads}, reverse=True), -1.0)
        self._calls = 0

    def next(self) -> int:
        """How many threads to take for the next call."""
        self._calls += 1
        untried = [threads for threads, seconds in self._seconds.items() if seconds < 0]
        if untried:
            return untried[0]
        ranked = sorted(self._seconds, key=lambda threads: self._seconds[threads])
        return ranked[-1] if self._calls % RETRY_CALLS == 0 else ranked[0]

    def took(self, threads: int, seconds: float) -> None:
        """The call took so many seconds for each entry."""
        before = self._seconds[threads]
        self._seconds[threads] = seconds if before < 0 else 0.5 * (before + seconds)


def _aligned(floats: int) -> Floats:
    """Memory for so many numbers that begins a cache line."""
    memory = np.empty(floats + LINE_FLOATS, np.float32)
    skipped = -(memory.ctypes.data // 4) % LINE_FLOATS
    return memory[skipped : skipped + floats]


def _first_bias(group: Group, seed: int) -> float:
    """The bias at the start, a float32 number as it stays one."""
    random, amount = np.random.default_rng(seed), group.init_amount
    if group.init_method == "normal":
        return float(np.float32(random.normal(0.0, amount)))
    if group.init_method == "uniform":
        return float(np.float32(random.uniform(-amount, amount)))
    return float(np.float32(amount))


def _warm_pool(threads: int) -> ThreadPoolExecutor:
    """A pool whose threads all run already: the kernel's threads wait for one another, and one
    that could not be started would keep the others waiting for ever.
    """
    pool = ThreadPoolExecutor(threads)
    together = threading.Barrier(threads)
    wait([pool.submit(together.wait) for _ in range(threads)])
    return pool
