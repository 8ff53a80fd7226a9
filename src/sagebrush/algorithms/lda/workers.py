"""Maps functions over pieces of a corpus on several threads, ending soon when asked to stop."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """``threads`` threads that last as long as the block; with one thread the caller works.

    Results come in order, and no more than a few wait: each may be large.
    """

    def __init__(self, threads: int, stop_requested: Callable[[], bool] = lambda: False) -> None:
        self.threads = max(1, threads)
        self.stop_requested = stop_requested
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The function's results in order; InterruptedError once a stop is requested."""
        if self._pool is None:
            for item in items:
                self._check()
                yield function(item)
            return
        waiting: deque[Future[Result]] = deque()
        for item in items:
            self._check()
            waiting.append(self._pool.submit(function, item))
            if len(waiting) > self.threads:
                yield waiting.popleft().result()
        while waiting:
            self._check()
            yield waiting.popleft().result()

    def _check(self) -> None:
        if self.stop_requested():
            raise InterruptedError("training was stopped")
