"""What the panel remembers: how each person came in last, and how their token was renewed last.

Fed by the extension's signals, by the application's answers, and by the list of calls of the dev Hub, if it is one.
Nothing here is secret: names of parameters, ids, paths, times and statuses, never a token, code, state or cookie.
"""

from __future__ import annotations

import hashlib
import threading
import time
import typing as t
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlsplit

from flask import Flask, Response, current_app, g, has_request_context, request, request_started

from flask_hub_auth import (
    HubConfig,
    HubError,
    HubUser,
    current_hub_token,
    hub_access_denied,
    hub_logged_in,
    hub_logged_out,
    hub_token_refreshed,
)

from . import words

if t.TYPE_CHECKING:
    from flask_hub_auth.devhub import DevHub

SHOWN: t.Final = frozenset(
    (
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "request_credentials",
        "access_type",
        "code_challenge_method",
    )
)
"""Parameters whose values may be seen. Of the others (state, code_challenge) the panel keeps the name alone."""

ENDED: t.Final = {
    "logout": "signed you out",
    "ended": "ended a login of yours: another took its place, or you wanted it",
    "expired": "ended your login, which was too old",
    "revoked": "ended your login: Hub did not renew the token",
    "banned": "ended your login: Hub says that you are banned",
}

MOST_PEOPLE: t.Final = 500
MOST_BEGUN: t.Final = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A call of this application to Hub, as Hub's own list has it."""

    at: float
    method: str
    path: str
    grant: str | None
    status: int | None


@dataclass(frozen=True, slots=True)
class Begun:
    """A login on its way to Hub. `parameters`: None stands for a value that is not kept."""

    at: float
    page: str
    address: str
    parameters: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class WayIn:
    """A login from its first redirect to the page that was wanted. `begun` is None where a restart lies between."""

    begun: Begun | None
    at: float
    callback: str
    parameters: tuple[str, ...]
    calls: tuple[Call, ...]
    landed_on: str
    token_until: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """A new token in the place of an old one. `due` and `old_until` are None where a restart or a job lies between."""

    at: float
    page: str
    due: float | None
    old_until: int | None
    calls: tuple[Call, ...]
    token_until: int


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that the extension did for a person."""

    at: float
    words: str


@dataclass(slots=True)
class Memory:
    """What is remembered of one person."""

    way_in: WayIn | None = None
    renewal: Renewal | None = None
    renewals: int = 0
    due: float | None = None
    token_until: int | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=6))


class Panel:
    """Keeps a :class:`Memory` for each person. May be used from all threads."""

    def __init__(self, app: Flask, dev_hub: DevHub | None) -> None:
        self._dev_hub = dev_hub
        self._lock = threading.Lock()
        self._people: OrderedDict[str, Memory] = OrderedDict()
        self._begun: OrderedDict[str, Begun] = OrderedDict()
        # Signals hold their receivers weakly; the application keeps this object, and so these methods, alive.
        request_started.connect(self._started, app)
        hub_logged_in.connect(self._logged_in, app)
        hub_token_refreshed.connect(self._refreshed, app)
        hub_logged_out.connect(self._logged_out, app)
        hub_access_denied.connect(self._denied, app)

    def of(self, user: HubUser) -> Memory:
        """What is remembered of `user`, a renewal in this very request included."""
        self._note_renewal()
        with self._lock:
            memory = self._memory(user.id)
            return replace(memory, events=memory.events.copy())

    def note(self, response: Response) -> Response:
        """Look at an answer on its way out. To be run after HubAuth's own hook."""
        hub: HubConfig = current_app.extensions["hub_auth"].config
        self._note_renewal()
        if response.location and response.location.startswith(f"{hub.url}/api/rest/oauth2/auth?"):
            self._note_begin(response.location)
        user_id = g.pop("panel_logged_in", None)
        if user_id and response.status_code == 302:
            self._note_login(user_id, response.location or "")
        return response

    # What signals tell. They come in the middle of a request: what is not known yet is added when the answer goes out.

    def _started(self, app: Flask, **more: t.Any) -> None:
        g.panel_started = time.time()

    def _logged_in(self, app: Flask, user: HubUser) -> None:
        g.panel_logged_in = user.id

    def _refreshed(self, app: Flask, user_id: str) -> None:
        if has_request_context():
            g.panel_renewed = user_id, time.time()
            return
        with self._lock:
            memory = self._memory(user_id)
            # When the new token ends is only known in a request of the person.
            memory.token_until = memory.due = None
            self._add_event(user_id, "renewed your token for a job in the background")

    def _logged_out(self, app: Flask, user_id: str, reason: str) -> None:
        with self._lock:
            self._add_event(user_id, ENDED.get(reason, f"ended your login ({reason})"))

    def _denied(self, app: Flask, user: HubUser, needed: t.Sequence[str]) -> None:
        with self._lock:
            self._add_event(user.id, f"refused you {request.path}, which needs {words.needed(needed)}")

    def _note_begin(self, location: str) -> None:
        address = urlsplit(location)
        parameters = dict(parse_qsl(address.query))
        begun = Begun(
            time.time(),
            request.path,
            f"{address.scheme}://{address.netloc}{address.path}",
            {name: value if name in SHOWN else None for name, value in parameters.items()},
        )
        with self._lock:
            self._begun[_digest(parameters.get("state", ""))] = begun
            if len(self._begun) > MOST_BEGUN:
                self._begun.popitem(last=False)

    def _note_login(self, user_id: str, location: str) -> None:
        until = _token_until()
        if until is None:
            return
        now = time.time()
        calls = self._calls("/api/rest/oauth2/token", "/api/rest/users/me")
        with self._lock:
            memory = self._memory(user_id)
            begun = self._begun.pop(_digest(request.args.get("state", "")), None)
            names = tuple(request.args)
            memory.way_in = WayIn(begun, now, request.path, names, calls, urlsplit(location).path, until)
            memory.renewal, memory.renewals = None, 0
            memory.token_until, memory.due = until, _due(now, until)
            self._add_event(user_id, "signed you in")

    def _note_renewal(self) -> None:
        user_id, at = g.pop("panel_renewed", (None, 0.0))
        until = _token_until() if user_id else None
        if until is None:
            return
        calls = self._calls("/api/rest/oauth2/token")
        with self._lock:
            memory = self._memory(user_id)
            memory.renewal = Renewal(at, request.path, memory.due, memory.token_until, calls, until)
            memory.renewals += 1
            memory.token_until, memory.due = until, _due(at, until)
            self._add_event(user_id, "renewed your token")

    def _calls(self, *paths: str) -> tuple[Call, ...]:
        """What the dev Hub was asked while this request ran."""
        calls = self._dev_hub.calls if self._dev_hub else []
        return tuple(
            Call(call["time"], call["method"], call["path"], call["grant"], call["status"])
            for call in calls
            if call["path"] in paths and call["time"] >= g.panel_started
        )

    def _memory(self, user_id: str) -> Memory:
        memory = self._people.setdefault(user_id, Memory())
        self._people.move_to_end(user_id)
        if len(self._people) > MOST_PEOPLE:
            self._people.popitem(last=False)
        return memory

    def _add_event(self, user_id: str, words: str) -> None:
        self._memory(user_id).events.appendleft(Event(time.time(), words))


def _token_until() -> int | None:
    """When the token of whoever sent this request ends; None if nobody is signed in any more."""
    try:
        return current_hub_token.expires_at
    except HubError:
        return None


def _due(now: float, until: int) -> float:
    """When the extension renews a token that came now: before its end, at most a tenth of its life."""
    hub: HubConfig = current_app.extensions["hub_auth"].config
    return until - min(hub.refresh_leeway, (until - now) / 10)


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
