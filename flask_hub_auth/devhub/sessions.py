"""Who is signed in at this Hub, by browser."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Request, Response

from .people import User

if TYPE_CHECKING:
    from .hub import DevHub

# Cookies ignore ports: a name of its own keeps it apart from the cookies of the application on the same host.
COOKIE = "devhub_session"

MOST_SESSIONS = 10_000


@dataclass(slots=True)
class Session:
    """One browser's login.

    ``signed_in_at`` is the moment of the password.
    ``fresh_login`` and ``fresh_consent`` hold the query of the authorization request that the person has just
    answered: ``request_credentials=required`` and ``approval_prompt=force`` ask once, not for ever.
    """

    user: User
    remembered: bool
    seen: float
    signed_in_at: float
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    fresh_login: str | None = None
    fresh_consent: str | None = None


class Sessions:
    """Not locked: the gate lets one request in at a time."""

    def __init__(self, hub: DevHub) -> None:
        self._hub = hub
        self._sessions: dict[str, Session] = {}

    def find(self, request: Request) -> Session | None:
        """The session of this browser; looking counts as a sign of life."""
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        now, options = self._hub.clock(), self._hub.options
        if session is None:
            return None
        if now - session.seen > (options.remembered_life if session.remembered else options.session_life):
            return None
        session.seen = now
        return session

    def begin(self, request: Request, response: Response, user: User, *, remember: bool) -> Session:
        """Signs in: a new value each time, so that a cookie planted before the login is worth nothing after it."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        value = secrets.token_urlsafe(32)
        now = self._hub.clock()
        session = Session(user, remember, seen=now, signed_in_at=now)
        self._sessions[value] = session
        if len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        response.set_cookie(
            COOKIE,
            value,
            max_age=int(self._hub.options.remembered_life) if remember else None,
            path=request.script_root or "/",
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return session

    def end_all_of(self, user: User) -> None:
        """Signs this user out in every browser."""
        self._sessions = {value: session for value, session in self._sessions.items() if session.user is not user}

    def end(self, request: Request, response: Response) -> None:
        """Signs out, here and in the browser."""
        if COOKIE not in request.cookies:
            return
        self._sessions.pop(request.cookies[COOKIE], None)
        response.delete_cookie(
            COOKIE, path=request.script_root or "/", secure=request.is_secure, httponly=True, samesite="Lax"
        )
