"""When a model server looks for its only client's next request, and when it stops that."""

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.algorithms import lookout as module
from sagebrush.algorithms.lookout import Lookout

SUCCESSIVE = 16
LOOKED_FOR_S = 0.0003
LONGEST_PAUSE_S = 0.0005
# What one look at the clock takes.
TICK_S = 0.00001


class Clock:
    """Goes on by a tick whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += TICK_S
        return self.now


class Client:
    """Has as many requests as it was given; `away` says after how many looks it listens no more."""

    def __init__(self, requests: int = 0, away: int | None = None) -> None:
        self.requests = requests
        self.answered = 0
        self.looks = 0
        self._away = away

    @property
    def listens(self) -> bool:
        return self._away is None or self.looks < self._away

    def receive(self) -> bool:
        self.looks += 1
        if not self.requests:
            return False
        self.requests -= 1
        self.answered += 1
        return True


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module.time, "perf_counter", made)
    monkeypatch.setattr(module, "processors", lambda: 2.0)
    return made


def nobody() -> bool:
    return False


def looked_for(client: Client, times: int, others: Callable[[], bool] = nobody) -> Lookout:
    """Return a lookout that has noted a client so many times, and attended to it."""
    made = Lookout()
    for _ in range(times):
        made.note(client, 0.0)
    made.attend(others)
    return made


def test_it_takes_many_requests_in_succession() -> None:
    client = Client()
    # The first one succeeds nobody's.
    looked_for(client, SUCCESSIVE)
    assert client.looks == 0
    looked_for(client, SUCCESSIVE + 1)
    assert client.looks > 0


def test_a_client_is_answered_until_it_pauses(clock: Clock) -> None:
    client = Client(requests=100)
    looked_for(client, SUCCESSIVE + 1)
    assert client.answered == 100
    # Then it was looked for as long as it may be, and no longer.
    assert client.looks - 100 == pytest.approx(LOOKED_FOR_S / TICK_S, abs=2)
    assert clock.now == pytest.approx(101 * TICK_S + LOOKED_FOR_S, rel=1)


def test_the_processor_is_offered_after_every_look_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[Any] = []
    monkeypatch.setattr(module.os, "sched_yield", lambda: offered.append(None))
    client = Client(requests=5)
    looked_for(client, SUCCESSIVE + 1)
    assert len(offered) == client.looks - client.answered > 0


def test_it_ends_when_others_come() -> None:
    client = Client(requests=10_000)
    asked: list[int] = []

    def others() -> bool:
        asked.append(client.looks)
        return len(asked) == 3

    looked_for(client, SUCCESSIVE + 1, others)
    assert len(asked) == 3
    assert client.answered == client.looks == asked[-1]
    assert max(after - before for before, after in zip([0, *asked], asked, strict=False)) <= 16


@pytest.mark.parametrize("looks", [0, 7])
def test_it_ends_when_the_client_listens_no_more(looks: int) -> None:
    client = Client(requests=100, away=looks)
    looked_for(client, SUCCESSIVE + 1)
    assert client.looks == client.answered == looks


def test_once_it_has_ended_the_count_begins_anew() -> None:
    client = Client()
    lookout = looked_for(client, SUCCESSIVE + 1)
    client.looks = 0
    for _ in range(SUCCESSIVE - 1):
        lookout.note(client, 0.0)
        lookout.attend(nobody)
    assert client.looks == 0
    lookout.note(client, 0.0)
    lookout.attend(nobody)
    assert client.looks > 0


@pytest.mark.parametrize("other", [None, Client()])
def test_whoever_comes_between_begins_the_count_anew(other: Client | None) -> None:
    client, lookout = Client(), Lookout()
    for _ in range(SUCCESSIVE):
        lookout.note(client, 0.0)
    lookout.note(other, 0.0)
    for _ in range(SUCCESSIVE):
        lookout.note(client, 0.0)
        lookout.attend(nobody)
    assert client.looks == 0
    lookout.note(client, 0.0)
    lookout.attend(nobody)
    assert client.looks > 0


def test_a_pause_begins_the_count_anew() -> None:
    client, lookout = Client(), Lookout()
    for _ in range(SUCCESSIVE):
        lookout.note(client, LONGEST_PAUSE_S)
    lookout.note(client, LONGEST_PAUSE_S * 1.01)
    for _ in range(SUCCESSIVE - 1):
        lookout.note(client, 0.0)
        lookout.attend(nobody)
    assert client.looks == 0
    lookout.note(client, LONGEST_PAUSE_S)
    lookout.attend(nobody)
    assert client.looks > 0


def test_two_clients_in_turn_are_not_looked_for() -> None:
    clients, lookout = (Client(), Client()), Lookout()
    for number in range(10 * SUCCESSIVE):
        lookout.note(clients[number % 2], 0.0)
        lookout.attend(nobody)
    assert [client.looks for client in clients] == [0, 0]


@pytest.mark.parametrize("count", [0.5, 1])
def test_with_one_processor_nobody_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, count: float
) -> None:
    monkeypatch.setattr(module, "processors", lambda: count)
    client = Client()
    looked_for(client, 10 * SUCCESSIVE)
    assert client.looks == 0


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("max 100000\n", 8),
        ("150000 100000\n", 1.5),
        ("50000 100000\n", 0.5),
        ("1600000 100000\n", 8),
        ("nonsense", 8),
        (None, 8),
    ],
)
def test_the_processors_are_those_that_a_container_may_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, quota: str | None, count: float
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(module, "_QUOTA", tmp_path / "cpu.max")
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    assert module.processors() == count
