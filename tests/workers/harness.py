"""A service of several worker processes and its Hub, each a process of its own, on loopback.

Everything is started with a port of its own, waited for with an end, and stopped by its process id. What a process
said is in its log, and in the error where it does not do what it should.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0
STOP_SECONDS = 10.0
ANSWER_SECONDS = 20.0
TOKEN_PATH = "/api/rest/oauth2/token"
ME_PATH = "/api/rest/users/me"
NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class Process:
    """A program that runs until it is stopped; what it says goes to a file."""

    def __init__(
        self, name: str, log: Path, arguments: Sequence[str], *, program: str = sys.executable, **options: Any
    ) -> None:
        self.name, self.log = name, log
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **options.pop("environ", {})}
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                [program, *arguments], stdout=file, stderr=subprocess.STDOUT, env=environ, cwd=ROOT, **options
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def said(self, pattern: str) -> str:
        """The part of the log that `pattern` has in parentheses, as soon as it is there."""
        return self.until(lambda: match[1] if (match := re.search(pattern, self.tail())) else None, f"{pattern!r}")

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """What `look` gives, as soon as it gives something; the log where it does not, or the process has ended."""
        end = time.monotonic() + START_SECONDS
        while not (found := look()):
            if self._popen.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self.name}: no {what} (exit {self._popen.poll()}):\n{self.tail()}")
            time.sleep(0.02)
        return found

    def tail(self, size: int = 6000) -> str:
        """The end of the log."""
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def count(self, pattern: str) -> int:
        """How often `pattern` is in the whole log."""
        return len(re.findall(pattern, self.log.read_text(errors="replace")))

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def freeze(self) -> None:
        """Stops it in its tracks: its connections stay, and nobody answers."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def tell(self, line: str) -> None:
        """Writes a line to it; it was started with a pipe as its `stdin` then."""
        assert self._popen.stdin
        self._popen.stdin.write(line.encode() + b"\n")
        self._popen.stdin.flush()

    def stop(self) -> None:
        """Ends it kindly, and then not so kindly. Twice is no harm."""
        if self._popen.stdin:
            self._popen.stdin.close()
        if self._popen.poll() is None:
            self._popen.terminate()
            self.thaw()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait(STOP_SECONDS)
            raise AssertionError(f"{self.name} did not end by itself:\n{self.tail()}") from None


class Hub:
    """The dev Hub as a process, by its remote control."""

    PROGRAM = "flask_hub_auth.devhub"

    def __init__(self, folder: Path, site_url: str, *options: str) -> None:
        arguments = ["-m", self.PROGRAM, "--port", "0", "--redirect-uri", f"{site_url}/authorized", *options]
        self.process = Process("the dev Hub", folder / "hub.log", arguments, stdin=subprocess.PIPE)
        self.url = self.process.said(r"Hub at (http://\S+/hub),")
        self._control = urljoin(self.url, "/__dev__/")

    def stop(self) -> None:
        self.process.stop()

    def calls(self, path: str = TOKEN_PATH) -> list[dict[str, Any]]:
        """All calls so far to one path below Hub."""
        found = requests.get(self._control + "calls", timeout=ANSWER_SECONDS).json()
        return [call for call in found if call["path"] == path]

    @contextlib.contextmanager
    def new_calls(self, path: str = TOKEN_PATH) -> Iterator[list[dict[str, Any]]]:
        """The calls to `path` that come while the block runs; the list is filled at its end."""
        before = len(self.calls(path))
        found: list[dict[str, Any]] = []
        yield found
        found += self.calls(path)[before:]

    def fail(self, path: str, **fields: Any) -> None:
        self._change("POST", "faults", {"path": path, **fields})

    def mend(self) -> None:
        self._change("DELETE", "faults")

    def expire(self) -> None:
        self._change("POST", "expire")

    def revoke(self, login: str) -> None:
        self._change("POST", f"revoke/{login}")

    def update_user(self, login: str, **fields: Any) -> None:
        self._change("POST", f"users/{login}", fields)

    def _change(self, method: str, path: str, body: Any = None) -> None:
        answer = requests.request(method, self._control + path, json=body, timeout=ANSWER_SECONDS)
        assert answer.status_code == 204, answer.text


class SharedTime:
    """Seconds that a test has added to the clock of all workers: a number in a file that they all see."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)

    @property
    def ahead(self) -> float:
        return float(struct.unpack("d", self._memory[:8])[0])

    def advance(self, seconds: float) -> None:
        self._memory[:8] = struct.pack("d", self.ahead + seconds)

    def __call__(self) -> float:
        return time.time() + self.ahead


class Workers:
    """gunicorn with `count` workers of `threads` threads each, which serve ``tests/workers/app.py``.

    The harness keeps the listening socket, so that the address stays the same over restarts.
    """

    def __init__(self, folder: Path, *, count: int = 2, threads: int = 32) -> None:
        self.folder, self.count, self.threads = folder, count, threads
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self._listener.set_inheritable(True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.time = SharedTime(folder / "time")
        self._options: list[str] = []
        self._environ: dict[str, str] = {}
        self.process: Process | None = None

    def start(self, hub: Hub, *options: str, **environ: str) -> None:
        """Starts it and waits until all workers answer. `environ` are settings as in the environment; "" is none."""
        self._options = list(options)
        self._environ = {
            "FLASK_HUB_URL": hub.url,
            "FLASK_HUB_SERVICE_ID": "98071167-004c-4ddf-ba37-5d4599fdf319",
            "FLASK_HUB_SERVICE_SECRET": "eAUyKgVfhSbV",
            "FLASK_HUB_SERVICE_URL": self.url,
            "FLASK_SECRET_KEY": "7f" * 32,
            "WORKERS_FOLDER": str(self.folder),
            # Where newer versions of gunicorn put a socket that controls them.
            "XDG_RUNTIME_DIR": str(self.folder),
            **environ,
        }
        self._environ = {name: value for name, value in self._environ.items() if value}
        self._run()

    def _run(self) -> None:
        number = self._listener.fileno()
        arguments = ["-m", "gunicorn", "--bind", f"fd://{number}", "--worker-class", "gthread"]
        arguments += ["--workers", str(self.count), "--threads", str(self.threads), "--keep-alive", "60"]
        arguments += ["--graceful-timeout", "5", *self._options, "tests.workers.app:app"]
        self.process = Process(
            "gunicorn", self.folder / "gunicorn.log", arguments, environ=self._environ, pass_fds=[number]
        )
        self.until_all_answer()

    def pids(self) -> set[int]:
        """The workers that answer, as far as one look around shows them."""
        found: set[int] = set()
        with contextlib.suppress(requests.RequestException):
            for _ in range(4 * self.count):
                found.add(requests.get(f"{self.url}/pid", timeout=2).json()["pid"])
        return found

    def until_all_answer(self) -> set[int]:
        """The workers, as soon as there are as many as there should be."""
        assert self.process
        found: set[int] = self.process.until(
            lambda: pids if len(pids := self.pids()) == self.count else None, f"{self.count} workers that answer"
        )
        return found

    def restart(self) -> None:
        """Stops everything and starts it anew, as a deployment does."""
        self.stop()
        self._run()

    def stop(self) -> None:
        if self.process:
            self.process.stop()
            self.process = None

    def close(self) -> None:
        try:
            self.stop()
        finally:
            self._listener.close()

    def sign_in(self, login: str) -> requests.Session:
        """A browser in which `login` has signed in, by all steps that a person takes."""
        browser = requests.Session()
        answer = self.come_back(browser, login)
        assert answer.status_code == 302, answer.text
        return browser

    def come_back(self, browser: requests.Session, login: str, path: str = "/who") -> requests.Response:
        """What the callback answers at the end of a login that began at `path`."""
        return browser.get(self.way_back(browser, login, path), allow_redirects=False, timeout=ANSWER_SECONDS)

    def way_back(self, browser: requests.Session, login: str, path: str = "/who") -> str:
        """The address of the callback, not opened yet, of a login that began at `path`."""
        answer = browser.get(self.url + path, headers=NAVIGATION, allow_redirects=False, timeout=ANSWER_SECONDS)
        assert answer.status_code == 302, answer.text
        page = browser.get(answer.headers["Location"], headers=NAVIGATION, timeout=ANSWER_SECONDS)
        form = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        assert form, page.text
        address = urljoin(page.url, form[1].replace("&amp;", "&"))
        person = {"username": login, "password": login}
        while not address.startswith(f"{self.url}/"):
            answer = browser.request(
                "POST" if person else "GET", address, data=person, allow_redirects=False, timeout=ANSWER_SECONDS
            )
            person = {}
            address = urljoin(address, answer.headers["Location"])
        return address


@dataclass
class Answer:
    """What one of many simultaneous requests got."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    seconds: float

    @property
    def pid(self) -> int:
        return int(self.body["pid"])


@dataclass
class Connections:
    """Connections that are open before the moment counts, and spread evenly over the workers."""

    workers: Workers
    open: list[http.client.HTTPConnection] = field(default_factory=list)
    by_worker: dict[int, list[http.client.HTTPConnection]] = field(default_factory=dict)
    """The same ones by the process id at their other end."""

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *exc: object) -> None:
        for connection in self.open:
            connection.close()

    def spread(self, count: int) -> Connections:
        """Opens `count` connections, as many to each worker as to the others, as a balancer would."""
        each = -(-count // self.workers.count)
        kept: dict[int, list[http.client.HTTPConnection]] = defaultdict(list)
        end = time.monotonic() + START_SECONDS
        while sum(map(len, kept.values())) < count:
            assert time.monotonic() < end, f"one worker takes it all: {[len(some) for some in kept.values()]}"
            connection = http.client.HTTPConnection(urlsplit(self.workers.url).netloc, timeout=ANSWER_SECONDS)
            pid = asked(connection, "/pid").pid
            if len(kept[pid]) < each:
                kept[pid].append(connection)
            else:
                connection.close()
        self.by_worker = dict(kept)
        self.open += [connection for some in kept.values() for connection in some][:count]
        return self

    def at_once(self, path: str, headers: Sequence[dict[str, str]]) -> list[Answer]:
        """The answers to `path` on all connections, asked at the same moment, with one of `headers` each."""
        barrier = threading.Barrier(len(self.open))

        def ask(connection: http.client.HTTPConnection, number: int) -> Answer:
            barrier.wait(ANSWER_SECONDS)
            return asked(connection, path, headers[number % len(headers)])

        with ThreadPoolExecutor(len(self.open)) as pool:
            return list(pool.map(ask, self.open, range(len(self.open)), timeout=2 * ANSWER_SECONDS))


def asked(connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None) -> Answer:
    """The answer to one request on an open connection."""
    began = time.monotonic()
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    content = response.read()
    try:
        body = json.loads(content)
    except ValueError:
        body = {"text": content.decode(errors="replace")}
    headers = {name: ", ".join(response.headers.get_all(name, [])) for name in response.headers}
    return Answer(response.status, body, headers, time.monotonic() - began)


def cookie_of(browser: requests.Session, url: str) -> dict[str, str]:
    """The header that `browser` would send to `url`."""
    request = requests.Request("GET", url)
    return {"Cookie": browser.prepare_request(request).headers.get("Cookie", "")}
