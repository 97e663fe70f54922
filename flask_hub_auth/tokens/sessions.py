"""The logins of one person: to look at, and to end."""

from __future__ import annotations

from contextlib import ExitStack

from ..model import HubSession
from ..sealing import store_key
from .keeper import TokenKeeper
from .people import Entry
from .times import LISTED_SECONDS


def sessions_of(keeper: TokenKeeper, user_id: str, own: bytes | None = None) -> list[HubSession]:
    """The logins of a person, newest first; `own` is the handle of the one that asks.

    :raises StoreUnavailable: the store could not be asked
    """
    current = store_key(own) if own else None
    return [
        HubSession(entry.since, entry.last_seen, current=entry.key == current)
        for entry in keeper.logins.people.of(user_id)
        if _is_living(keeper, entry)
    ]


def end_sessions(keeper: TokenKeeper, user_id: str, but: bytes | None = None) -> int:
    """End the logins of a person, except the one that the handle `but` opens; how many there were that still lived.

    All are ended before anybody is told, and everybody is told although a receiver may raise; then that comes out.

    :raises StoreUnavailable: the store could not be asked; what was ended until then stays so
    """
    spared = store_key(but) if but else None
    entries = [entry for entry in keeper.logins.people.of(user_id) if entry.key != spared]
    ended = 0
    with ExitStack() as tell:
        for entry in entries:
            lived = _is_living(keeper, entry)
            keeper.logins.remove_listed(user_id, entry.key)
            if lived:
                tell.callback(keeper.told_ended, user_id, entry.key)
                ended += 1
    return ended


def _is_living(keeper: TokenKeeper, entry: Entry) -> bool:
    """Whether a login is there and was in use of late, as far as the list knows that."""
    idle_since = keeper.now() - keeper.config.idle_lifetime - LISTED_SECONDS
    return entry.last_seen > idle_since and keeper.logins.store.get(entry.key) is not None
