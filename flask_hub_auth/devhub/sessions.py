"""Who is signed in at this Hub, by browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Request, Response

from .people import User

# Cookies ignore ports: a name of its own keeps it apart from the cookies of the application on the same host.
COOKIE = "devhub_session"

# Hub's defaults are not written down: half an hour without a request, 30 days for "remember me".
IDLE_LIFE = 30 * 60
REMEMBERED_LIFE = 30 * 24 * 3600

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

    @property
    def life(self) -> int:
        return REMEMBERED_LIFE if self.remembered else IDLE_LIFE


class Sessions:
    """Not locked: the gate lets one request in at a time."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def find(self, request: Request) -> Session | None:
        """The session of this browser; looking counts as a sign of life."""
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        now = self._clock()
        if session is None or now - session.seen > session.life:
            return None
        session.seen = now
        return session

    def begin(self, request: Request, response: Response, user: User, *, remember: bool) -> Session:
        """Signs in: a new value each time, so that a cookie planted before the login is worth nothing after it."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        value = secrets.token_urlsafe(32)
        now = self._clock()
        session = Session(user, remember, seen=now, signed_in_at=now)
        self._sessions[value] = session
        if len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        response.set_cookie(
            COOKIE,
            value,
            max_age=REMEMBERED_LIFE if remember else None,
            path=request.script_root or "/",
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return session

    def end(self, request: Request, response: Response) -> None:
        """Signs out, here and in the browser."""
        if COOKIE not in request.cookies:
            return
        self._sessions.pop(request.cookies[COOKIE], None)
        response.delete_cookie(
            COOKIE, path=request.script_root or "/", secure=request.is_secure, httponly=True, samesite="Lax"
        )
