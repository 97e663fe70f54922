"""A service of four workers, the Hub behind it and the store below it: each a process of its own, to be put in trouble.

Everything is on loopback, at ports of its own, and ended by its process id.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests

from ..redis_servers import RedisServer, free_port
from ..workers.harness import ANSWER_SECONDS, NAVIGATION, Hub, Workers, cookie_of
from .wire import Wire

LONG = os.environ.get("FAULTS") == "long"
LIFE = 3600
"""Seconds that a token of these Hubs lives; they rotate refresh tokens, and an old one ends its family."""
LEASE = 3.0
"""Seconds by which the lease of a lock outlives the deadline of a call to Hub."""
PEOPLE = ("admin", "jane", "john")

Kind = Literal["files", "redis"]


def size(short: Any, long: Any) -> Any:
    """How much of a fault there is: a little in every run of the tests, and a lot with ``make faults``."""
    return long if LONG else short


class StandingHub(Hub):
    """A dev Hub that forgets nothing while its port is closed."""

    PROGRAM = "tests.faults.standing_hub"

    def __init__(self, folder: Path, site_url: str, *options: str) -> None:
        # Not of the ports that outgoing connections get: one of them might connect to itself while this one is closed.
        super().__init__(folder, site_url, "--port", str(free_port()), *options)
        self._orders = itertools.count(1)
        self._closed = False

    def order(self, words: str) -> None:
        number = next(self._orders)
        self.process.tell(f"{number} {words}")
        self.process.said(rf"(done {number})\n")

    def close_port(self) -> None:
        self.order("close")
        self._closed = True

    def open_port(self) -> None:
        if self._closed:
            self.order("open")
            self._closed = False

    def mend(self) -> None:
        """Everything is well again."""
        self.process.thaw()
        self.open_port()
        super().mend()

    def stop(self) -> None:
        self.process.thaw()
        super().stop()


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    login: str
    browser: requests.Session
    cookie: dict[str, str]
    token: str
    """What may be told of the access token with which the login began."""


class House:
    """The workers, with the Hub and the store that belong to them.

    :param timeout: ``HUB_TIMEOUT``
    :param wired: put a wire between them and Hub that can be made bad
    :param environ: more settings, as in the environment
    """

    def __init__(
        self, folder: Path, kind: Kind, *, threads: int = 32, timeout: float = 5, wired: bool = False, **environ: str
    ) -> None:
        _allow_many_files()
        self.folder, self.kind, self.timeout = folder, kind, timeout
        self._open = contextlib.ExitStack()
        with contextlib.ExitStack() as failed:
            failed.push(self._open)
            self.redis = self._open.enter_context(RedisServer(folder / "redis")) if kind == "redis" else None
            self.workers = Workers(folder, count=4, threads=threads)
            self._open.callback(self.workers.close)
            self.hub = StandingHub(folder, self.workers.url, "--rotate", "--token-life", str(LIFE))
            self._open.callback(self.hub.stop)
            self.wire = self._open.enter_context(Wire(self.hub.url)) if wired else None
            self.environ = {"FLASK_HUB_TIMEOUT": str(timeout), **environ}
            if self.wire:
                self.environ["FLASK_HUB_URL"] = self.wire.url
                self.hub.order(f"url {self.wire.url}")
            if self.redis:
                self.environ["FLASK_HUB_CACHE"] = self.redis.url
            self.workers.start(self.hub, **self.environ)
            failed.pop_all()

    def __enter__(self) -> House:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    @property
    def url(self) -> str:
        return self.workers.url

    def mend(self) -> None:
        """Hub and store are well again."""
        self.hub.mend()
        if self.wire:
            self.wire.mend()
        if self.redis:
            self.redis.thaw()
            if not self.redis.running:
                self.redis.start()

    def told(self) -> str:
        """The ends of all logs."""
        processes = [self.workers.process, self.hub.process]
        return "\n".join(f"--- {process.name}\n{process.tail()}" for process in processes if process)

    def sign_in(self, count: int = 1, logins: tuple[str, ...] = PEOPLE) -> list[Person]:
        """`count` people, all with logins of their own; each signs in by all steps that a person takes."""
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(self._signed_in, itertools.islice(itertools.cycle(logins), count)))

    def _signed_in(self, login: str) -> Person:
        browser = self.workers.sign_in(login)
        answer = self.get(browser, "/who")
        assert answer.status_code == 200, answer.text
        return Person(login, browser, cookie_of(browser, self.url), answer.json()["token"])

    def get(self, browser: requests.Session, path: str, **how: Any) -> requests.Response:
        """What a script of this browser's page gets."""
        return browser.get(self.url + path, **{"timeout": ANSWER_SECONDS, "allow_redirects": False, **how})

    def navigate(self, browser: requests.Session, path: str) -> requests.Response:
        """What the person sees in the end who opens `path`, all redirects followed."""
        return self.get(browser, path, headers=NAVIGATION, allow_redirects=True)

    def ask(self, path: str) -> Any:
        """What the service says to anybody."""
        return requests.get(self.url + path, timeout=ANSWER_SECONDS).json()

    def sign_out(self, browser: requests.Session) -> requests.Response:
        """The answer to the form with which a person signs out."""
        headers = {"Origin": self.url}
        return browser.post(f"{self.url}/logout", headers=headers, allow_redirects=False, timeout=ANSWER_SECONDS)

    def expire(self) -> None:
        """All tokens of now are over, at Hub and by the clock of the workers."""
        self.workers.time.advance(LIFE + 1)
        self.hub.expire()

    def count_records(self) -> int:
        """How much is in the store."""
        if self.redis:
            return int(self.redis.control.dbsize())
        return sum(1 for _ in self.records())

    def records(self) -> Iterator[Path]:
        """The files of the store."""
        folder = self.folder / "instance" / "hub-logins"
        return (path for path in folder.iterdir() if path.is_file())


def _allow_many_files() -> None:
    """A thousand connections at once are more than many a system lets a process have by default."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def memory_of(pid: int, name: str) -> int:
    """Bytes that the kernel counts for a process."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024
