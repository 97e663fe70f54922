"""People who use the service all the time, and what each of their requests got."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..workers.harness import ANSWER_SECONDS, Connections, asked
from .house import House, Person

Say = Callable[[str], None]
"""Notes a figure that a test has measured."""

BROKEN = 0
"""The status of a request whose connection broke."""


@dataclass(frozen=True)
class Sample:
    """One request and what it got."""

    began: float
    path: str
    person: Person | None
    status: int
    seconds: float
    headers: dict[str, str] = field(repr=False)
    body: dict[str, Any] = field(repr=False)

    @property
    def ended(self) -> float:
        return self.began + self.seconds


class Load:
    """Threads that ask for pages, each in its own time, from the beginning of a ``with`` block to its end.

    :param asks: what is asked for, in turns by chance: a path, and the person who asks (None: somebody without a login)
    :param pause: seconds between two requests of a thread; without pauses they would wait for each other, not for Hub
    """

    def __init__(
        self,
        house: House,
        asks: Sequence[tuple[str, Person | None]],
        *,
        seed: int = 0,
        threads: int = 8,
        pause: float = 0.03,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._connections = Connections(house.workers)
        self._asks, self._pause, self._headers = asks, pause, headers or {}
        self._samples: list[Sample] = []
        self._over = threading.Event()
        self._seed, self._count = seed, threads
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Load:
        for number, connection in enumerate(self._connections.spread(self._count).open):
            self._threads.append(threading.Thread(target=self._use, args=(self._seed + number, connection)))
            self._threads[-1].start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._connections.__exit__()

    def samples(self, *paths: str, since: float = 0, until: float = float("inf")) -> list[Sample]:
        """What was asked for and ended between two times of the monotonic clock."""
        found = [sample for sample in list(self._samples) if since <= sample.began and sample.ended <= until]
        return [sample for sample in found if not paths or sample.path in paths]

    def run(self, seconds: float) -> tuple[float, float]:
        """Lets time pass, and answers from when to when that was."""
        began = time.monotonic()
        time.sleep(seconds)
        return began, time.monotonic()

    def until(self, look: Callable[[Sample], bool], seconds: float = ANSWER_SECONDS) -> Sample:
        """The first request that `look` wants, as soon as it has its answer."""
        end, seen = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            samples = self._samples[seen:]
            seen += len(samples)
            if found := next(filter(look, samples), None):
                return found
            time.sleep(0.01)
        raise AssertionError(f"none of {seen} requests is the one that was waited for: {statuses(self._samples)}")

    def _use(self, seed: int, connection: http.client.HTTPConnection) -> None:
        chance = random.Random(seed)
        while not self._over.is_set():
            self._ask(connection, *chance.choice(self._asks))
            self._over.wait(chance.uniform(0.5, 1.5) * self._pause)

    def _ask(self, connection: http.client.HTTPConnection, path: str, person: Person | None) -> None:
        began = time.monotonic()
        headers = {**self._headers, **(person.cookie if person else {})}
        try:
            answer = asked(connection, path, headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            self._samples.append(Sample(began, path, person, BROKEN, time.monotonic() - began, {}, {}))
            return
        self._samples.append(Sample(began, path, person, answer.status, answer.seconds, answer.headers, answer.body))


def worst(samples: Iterable[Sample]) -> float:
    """The seconds that the slowest took."""
    return max((sample.seconds for sample in samples), default=0.0)


def statuses(samples: Iterable[Sample]) -> dict[int, int]:
    """How often each status was answered."""
    return dict(sorted(Counter(sample.status for sample in samples).items()))


def quantile(samples: Iterable[Sample], share: float = 0.99) -> float:
    """The seconds that so many of all took at most."""
    seconds = sorted(sample.seconds for sample in samples)
    return seconds[int(share * (len(seconds) - 1))] if seconds else 0.0
