"""When what a login holds is due, and when it is over: functions of the login and the time."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from ..config import HubConfig
from ..model import HubToken, Login

SHORTEST_LIFE: t.Final = 5
"""Seconds for which every token counts as good: a Hub that gives tokens of no life is not asked at every request."""
SEEN_SECONDS: t.Final = 60
"""`last_seen` is written at most this often."""

LISTED_SECONDS: t.Final = 600
"""What the list of a person's logins says of `last_seen` is at most this much older."""

COMPLAINT_SECONDS: t.Final = 10


class Seldom:
    """True at most once in :data:`COMPLAINT_SECONDS`: what fails with every request must not fill the log."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self) -> bool:
        due = time.monotonic() - self._last >= COMPLAINT_SECONDS
        self._last = time.monotonic() if due else self._last
        return due


def lasting(token: HubToken, now: float) -> tuple[HubToken, int]:
    """`token`, just got, with the end that we give it, and the seconds until then."""
    end = max(token.expires_at, int(now) + SHORTEST_LIFE)
    return replace(token, expires_at=end), end - int(now)


def is_alive(login: Login, now: float, config: HubConfig) -> bool:
    """Whether the login is younger than its absolute and its idle end."""
    return now < login.since + config.login_lifetime and now < login.last_seen + config.idle_lifetime


def is_renewal_due(login: Login, now: float, config: HubConfig) -> bool:
    """Whether the token ends within the leeway, which is a tenth of its life at most."""
    return now >= login.token.expires_at - min(config.refresh_leeway, login.token_life / 10)


def is_expired(login: Login, now: float) -> bool:
    """Whether the token is over."""
    return now >= login.token.expires_at


def is_just_renewed(login: Login, now: float) -> bool:
    """Whether the token is too new to be renewed again, whoever refuses it."""
    return bool(login.generation) and now < login.token.expires_at - login.token_life + SHORTEST_LIFE


def is_reading_due(login: Login, now: float, config: HubConfig) -> bool:
    """Whether the person is to be read again, which takes a token that is good."""
    return now >= login.read_at + config.user_ttl and not is_expired(login, now)


def knows_groups(login: Login, now: float, config: HubConfig) -> bool:
    """Whether what is known of the person's groups is young enough to decide by."""
    return now < login.read_at + config.user_ttl + config.outage_grace


def is_recent(login: Login, now: float, max_age: float) -> bool:
    """Whether the person entered a password within the last `max_age` seconds."""
    return int(now) - login.authenticated_at <= max_age


def seen(login: Login, now: float) -> Login:
    """The login with the time when it was last used; the same one where what it says is new enough."""
    return login if now - login.last_seen < SEEN_SECONDS else replace(login, last_seen=int(now))


def is_listing_due(login: Login, now: float) -> bool:
    """Whether what the list of the person's logins says of `last_seen` is too old by now.

    Counted from the login's beginning, so that not all logins of the house are listed at the same moment.
    """
    return (int(now) - login.since) // LISTED_SECONDS != (login.last_seen - login.since) // LISTED_SECONDS
