"""Many requests at the same moment on one login: with its token expired, and beside that with nothing to renew.

gunicorn, the dev Hub and Redis are processes of their own, on loopback, as in the tests of the workers.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import requests

from tests.workers.harness import ANSWER_SECONDS, TOKEN_PATH, Answer, Connections, Hub, Workers, cookie_of

HUB_SECONDS = 0.3
"""What Hub takes to answer a renewal."""
TOKEN_LIFE = 3600
SPARE_THREADS = 8


@dataclass
class Storms:
    """What several storms of one kind have shown."""

    answers: list[Answer] = field(default_factory=list)
    token_calls: list[int] = field(default_factory=list)
    most: int = 0
    """The most requests that were under way at the same time, counted by the workers."""

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    @property
    def median(self) -> float:
        return median(answer.seconds for answer in self.answers)

    @property
    def worst(self) -> float:
        return max(answer.seconds for answer in self.answers)

    @property
    def good(self) -> bool:
        """Whether each storm had one renewal and everybody an answer."""
        return set(self.token_calls) == {1} and set(self.statuses) == {200}


class Site:
    """A service of some worker processes that keep logins in `cache`, and its Hub."""

    def __init__(self, workers: Workers, hub: Hub) -> None:
        self._workers, self._hub = workers, hub

    def storms(self, count: int, rounds: int) -> tuple[Storms, Storms]:
        """`count` requests at once, `rounds` times each without and with a renewal, in turns."""
        browser = self._workers.sign_in("jane")
        cookie = cookie_of(browser, self._workers.url)
        calm, renewing = Storms(), Storms()
        with Connections(self._workers).spread(count) as connections:
            # The first one starts threads and opens connections to the store, which is nobody's renewal.
            self._storm(connections, cookie, Storms())
            for _ in range(rounds):
                self._storm(connections, cookie, calm)
                self._expire()
                self._storm(connections, cookie, renewing)
        return calm, renewing

    def _storm(self, connections: Connections, cookie: dict[str, str], found: Storms) -> None:
        self._take_most()
        with self._hub.new_calls() as calls:
            found.answers += connections.at_once("/who", [cookie])
        found.token_calls.append(len(calls))
        found.most = max(found.most, self._take_most())

    def _expire(self) -> None:
        """The token is over, for the workers and for Hub."""
        self._workers.time.advance(TOKEN_LIFE + 1)
        self._hub.expire()

    def _take_most(self) -> int:
        return int(requests.get(f"{self._workers.url}/most", timeout=ANSWER_SECONDS).json()["most"])


@contextlib.contextmanager
def site(cache: str | None, processes: int, most: int) -> Iterator[Site]:
    """A site that can have `most` requests under way at once.

    :param cache: what ``HUB_CACHE`` names; None for the default, files
    """
    with tempfile.TemporaryDirectory(prefix="renewal") as folder, contextlib.ExitStack() as ends:
        workers = Workers(Path(folder), count=processes, threads=-(-most // processes) + SPARE_THREADS)
        ends.callback(workers.close)
        hub = Hub(Path(folder), workers.url, "--rotate", "--token-life", str(TOKEN_LIFE))
        ends.callback(hub.stop)
        hub.fail(TOKEN_PATH, delay=HUB_SECONDS)
        environ = {"FLASK_HUB_CACHE": cache} if cache else {}
        workers.start(hub, "--worker-connections", str(2 * most + SPARE_THREADS), **environ)
        yield Site(workers, hub)


def told(storms: Storms) -> str:
    """The answers by status, as in ``400 x 200``."""
    return ", ".join(f"{count} x {status}" for status, count in sorted(storms.statuses.items()))


def calls_told(calls: Sequence[int]) -> str:
    """The token calls of one storm; of each storm where they differ."""
    return " ".join(map(str, calls if len(set(calls)) > 1 else calls[:1]))
