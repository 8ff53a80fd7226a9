"""How far training has come: the learning rate and the progress lines follow it."""

import time
from collections.abc import Callable

LINE_INTERVAL_S = 1.0
_LEAST_SHARE = 1e-4

Say = Callable[[str], None]


class Progress:
    """Words done of ``total``; the learning rate falls in a line from ``learning_rate`` to 0.

    ``say`` gets the lines of the hosted image's log: "##### Alpha: ... #####".
    """

    def __init__(self, total: int, learning_rate: float, say: Say) -> None:
        self._total = max(total, 1)
        self._rate = learning_rate
        self._say = say
        self._started = self._said = time.monotonic()
        self.done = 0

    def rates(self, tokens: int) -> tuple[float, float, float]:
        """The rates before and after the next so many words, and the least one."""
        least = self._rate * _LEAST_SHARE
        before = self._rate * (1 - self.done / self._total)
        after = self._rate * (1 - (self.done + tokens) / self._total)
        return max(before, least), max(after, least), least

    def add(self, tokens: int) -> None:
        """Count words that were trained on."""
        self.done += tokens

    def tick(self) -> None:
        """Write a line if the last one is a while ago."""
        if time.monotonic() - self._said >= LINE_INTERVAL_S:
            self.say_line()

    def say_line(self) -> None:
        """Write a line now."""
        self._said = time.monotonic()
        share = min(self.done / self._total, 1.0)
        self._say(
            f"##### Alpha: {self._rate * (1 - share):.4f}  Progress: {share:.2%}  "
            f"Million Words/sec: {self._million_per_second():.2f} #####"
        )

    def _million_per_second(self) -> float:
        return self.done / max(time.monotonic() - self._started, 1e-9) / 1e6

    def say_total(self) -> None:
        """Write the closing lines."""
        self._say(f"Average throughput in Million words/sec: {self._million_per_second():.2f}")
        self._say(f"Total training time in seconds: {time.monotonic() - self._started:.2f}")
