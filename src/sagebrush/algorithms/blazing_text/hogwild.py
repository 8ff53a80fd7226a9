"""Threads that take blocks of text in turn and update one model without locks.

Recht et al., Hogwild!, 2011. One thread is reproducible; of several the order is anyone's.
"""

import threading
from collections.abc import Callable, Iterator

Work = Callable[[int, bytes], None]

TICK_S = 0.25


def work_through(
    blocks: Iterator[bytes],
    work: Work,
    *,
    threads: int,
    stop_requested: Callable[[], bool],
    tick: Callable[[], None],
) -> None:
    """Call ``work(index, block)`` for each block until all are done or a stop is requested.

    ``tick`` is called now and then from the calling thread. An error of any thread ends the others
    and is raised.
    """
    if threads == 1:
        for index, block in enumerate(blocks):
            if stop_requested():
                return
            work(index, block)
            tick()
        return
    shared = _Shared(blocks, work, stop_requested)
    workers = [threading.Thread(target=shared.run, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():
            worker.join(TICK_S)
            tick()
    if shared.error is not None:
        raise shared.error


class _Shared:
    def __init__(
        self, blocks: Iterator[bytes], work: Work, stop_requested: Callable[[], bool]
    ) -> None:
        self._blocks = enumerate(blocks)
        self._work = work
        self._stop_requested = stop_requested
        self._lock = threading.Lock()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while self.error is None and not self._stop_requested():
                with self._lock:
                    taken = next(self._blocks, None)
                if taken is None:
                    return
                self._work(*taken)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            self.error = error
