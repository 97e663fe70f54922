"""When what a login holds is due, and when it is over: functions of the login and the time."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ..config import HubConfig
from ..model import HubToken, Login

SHORTEST_LIFE: t.Final = 5
"""Seconds for which every token counts as good: a Hub that gives tokens of no life is not asked at every request."""
SEEN_SECONDS: t.Final = 60
"""`last_seen` is written at most this often, or ten times in an idle life that is short."""
SLACK: t.Final = 60
"""Seconds by which the clocks of two hosts may differ."""
LONGEST_JUMP: t.Final = 3600 + SLACK
"""Seconds by which a clock may go back without signing anybody out."""
ROLLING_SECONDS: t.Final = 600
"""For so long after its start a process leaves what it finds to those who only know the former ``SECRET_KEY`` as well:
while workers are restarted one by one with a new key, some are still to come."""
LISTED_SECONDS: t.Final = 600
"""What the list of a person's logins says of `last_seen` is at most this much older."""


def lasting(token: HubToken, now: float) -> tuple[HubToken, int]:
    """`token`, just got, with the end that we give it, and the seconds until then."""
    end = max(token.expires_at, int(now) + SHORTEST_LIFE)
    return replace(token, expires_at=end), end - int(now)


def is_rolling(began: float, now: float) -> bool:
    """Whether a process that began at `began` may still have older ones beside it."""
    return 0 <= now - began < ROLLING_SECONDS


def age(stamp: float, now: float) -> float:
    """Seconds since `stamp`; without end where that is still to come, since nobody knows then how long ago it was.

    The clock has gone back. What was read or renewed before that must not stay good for as long as it went back.
    """
    return now - stamp if now >= stamp - SLACK else float("inf")


def is_alive(login: Login, now: float, config: HubConfig) -> bool:
    """Whether the login is younger than its absolute and its idle end."""
    return _lasts(login.since, now, config.login_lifetime) and _lasts(login.last_seen, now, config.idle_lifetime)


def _lasts(stamp: int, now: float, life: float) -> bool:
    # What is further ahead than a life was written while the clock was wrong: it would last for years.
    return -max(life, LONGEST_JUMP) <= now - stamp < life


def is_renewal_due(login: Login, now: float, config: HubConfig) -> bool:
    """Whether the token ends within the leeway, which is a tenth of its life at most, or later than it ever could."""
    return age(_renewed_at(login), now) >= login.token_life - min(config.refresh_leeway, login.token_life / 10)


def is_expired(login: Login, now: float) -> bool:
    """Whether the token is over."""
    return now >= login.token.expires_at


def is_just_renewed(login: Login, now: float) -> bool:
    """Whether the token is too new to be renewed again, whoever refuses it."""
    return bool(login.generation) and age(_renewed_at(login), now) < SHORTEST_LIFE


def _renewed_at(login: Login) -> int:
    return login.token.expires_at - login.token_life


def is_reading_due(login: Login, now: float, config: HubConfig) -> bool:
    """Whether the person is to be read again, which takes a token that is good."""
    return age(login.read_at, now) >= config.user_ttl and not is_expired(login, now)


def knows_groups(login: Login, now: float, config: HubConfig) -> bool:
    """Whether what is known of the person's groups is young enough to decide by."""
    return age(login.read_at, now) < config.user_ttl + config.outage_grace


def is_recent(login: Login, now: float, max_age: float) -> bool:
    """Whether the person entered a password within the last `max_age` seconds."""
    return age(login.authenticated_at, int(now)) <= max_age


def seen(login: Login, now: float, config: HubConfig) -> Login:
    """The login with the time when it was last used; the same one where what it says is new enough."""
    is_new = age(login.last_seen, int(now)) < min(SEEN_SECONDS, config.idle_lifetime / 10)
    return login if is_new else replace(login, last_seen=int(now))


def is_listing_due(login: Login, now: float) -> bool:
    """Whether what the list of the person's logins says of `last_seen` is too old by now.

    Counted from the login's beginning, so that not all logins of the house are listed at the same moment.
    """
    return (int(now) - login.since) // LISTED_SECONDS != (login.last_seen - login.since) // LISTED_SECONDS
