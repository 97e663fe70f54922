"""What a guarded request of a fresh login costs, against a view that reads Flask's signed session and no more.

Everything runs in this process and is called as a WSGI server would call it, in turns, so that whatever else the
machine does is felt by all alike.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from flask import Flask, session
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_hub_auth import HubAuth, current_hub_user, hub_login_required
from flask_hub_auth.sealing import encode, new_handle
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.web.identity import SESSION_KEY
from tests.visiting import KEY, plain_app

if TYPE_CHECKING:
    from flask.testing import FlaskClient

TARGETS = {"memory": 0.2, "files": 0.6, "Redis": 1.0}
"""Milliseconds that the median may have on top (R68)."""
WARM_UP = 200


@dataclass(frozen=True)
class Cost:
    """The medians of one store and of the bare view, in microseconds."""

    store: str
    bare: float
    guarded: float

    @property
    def on_top(self) -> float:
        return self.guarded - self.bare

    @property
    def ratio(self) -> float:
        return self.guarded / self.bare

    @property
    def target(self) -> float:
        return 1000 * TARGETS[self.store]


def costs(caches: Mapping[str, str | None], rounds: int) -> list[Cost]:
    """The cost of a request for each store, `caches` by name; None is a folder of files."""
    with tempfile.TemporaryDirectory(prefix="guarded") as folder:
        views = {name: guarded(cache or f"file://{folder}") for name, cache in caches.items()}
        seconds = in_turns({"bare": bare(), **views}, rounds)
    medians = {name: 1e6 * median(times) for name, times in seconds.items()}
    return [Cost(name, medians["bare"], medians[name]) for name in caches]


def in_turns(views: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """The seconds of each view, `rounds` times."""
    order = list(views)
    seconds: dict[str, list[float]] = {name: [] for name in order}
    for number in range(WARM_UP + rounds):
        # Each comes first as often as the others.
        order.append(order.pop(0))
        for name in order:
            began = time.perf_counter()
            views[name]()
            took = time.perf_counter() - began
            if number >= WARM_UP:
                seconds[name].append(took)
    return seconds


def bare() -> Callable[[], None]:
    """A request to a view that reads the session, in an application without HubAuth."""
    app = Flask(__name__, static_folder=None)
    app.secret_key = KEY

    @app.get("/")
    def view() -> str:
        return "jane" if session.get(SESSION_KEY) else "nobody"

    client = app.test_client()
    with client.session_transaction() as content:
        content[SESSION_KEY] = encode(new_handle())
    return request(client)


def guarded(cache: str) -> Callable[[], None]:
    """A request to a guarded view, by somebody who has just signed in. Hub cannot be reached."""
    hub = HubInMemory()
    app = plain_app(hub, HUB_CACHE=cache)
    HubAuth(app)

    @app.get("/")
    @hub_login_required
    def view() -> str:
        return current_hub_user.login

    client = app.test_client()
    hub.sign_in(client, "jane")
    return request(client)


def request(client: FlaskClient) -> Callable[[], None]:
    """One request with the cookies of `client`, as a WSGI server makes it."""
    app = client.application
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in client._cookies.values())
    environ = EnvironBuilder(headers=[("Cookie", cookies)]).get_environ()

    def ask() -> None:
        content, status, _ = run_wsgi_app(app, environ, buffered=True)
        assert (status, b"".join(content)) == ("200 OK", b"jane"), (status, list(content))

    return ask
