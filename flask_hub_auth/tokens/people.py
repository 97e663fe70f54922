"""Who may sign in, and which logins a person has.

That is one record per person, with the names of the logins in the store and their times. It opens no login: there is no
handle and no token in it. It is what "sign out everywhere" needs.
"""

from __future__ import annotations

import struct
import typing as t
from dataclasses import dataclass

from ..model import HubUser
from ..sealing import KEY_PREFIX as PREFIX
from ..sealing import Sealer
from .locks import writing
from .store import Store

_PACKED: t.Final = struct.Struct(">32sQQ")
MOST: t.Final = 10_000
"""Logins that a list holds, the newest ones: a script that signs in without end must not make a person's list too long
for the store."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One login of a person: its name in the store, and epoch seconds."""

    key: str
    since: int
    last_seen: int


class PeopleIndex:
    """Keeps the list of every person's logins. May be used from all threads; may raise :class:`StoreUnavailable`.

    :param lifetime: seconds after its beginning from which on a login is over, and its entry with it
    """

    def __init__(self, store: Store, sealer: Sealer, *, clock: t.Callable[[], float], lifetime: float) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._lifetime = lifetime

    def of(self, user_id: str) -> list[Entry]:
        """The logins of a person, newest first; some may have ended by themselves."""
        found: dict[str, Entry] = {}
        # A record that was written before SECRET_KEY changed has its place under the older key.
        for place in reversed(self._sealer.macs("index", user_id.encode())):
            found |= {entry.key: entry for entry in self._read(place)}
        return sorted(found.values(), key=lambda entry: entry.since, reverse=True)

    def note(self, user_id: str, entry: Entry) -> None:
        """Add a login, or what has changed of it."""
        self._change(user_id, lambda entries: entries | {entry.key: entry})

    def drop(self, user_id: str, key: str) -> None:
        """Take a login away."""
        self._change(user_id, lambda entries: {name: entry for name, entry in entries.items() if name != key})

    def _change(self, user_id: str, apply: t.Callable[[dict[str, Entry]], dict[str, Entry]]) -> None:
        place, *older = self._sealer.macs("index", user_id.encode())
        with writing(self._store.locks, place, "index"):
            before = {entry.key: entry for entry in self.of(user_id)}
            after = apply(before)
            if after:
                newest = sorted(after.values(), key=lambda entry: entry.since)[-MOST:]
                self._store.put(_key(place), self._sealed(place, newest), int(self._lifetime))
            elif before:
                self._store.delete(_key(place))
            for old in older:
                self._store.delete(_key(old))

    def _sealed(self, place: str, entries: t.Iterable[Entry]) -> bytes:
        data = b"".join(_PACKED.pack(_digest(entry.key), entry.since, entry.last_seen) for entry in entries)
        return self._sealer.seal(data, purpose="index", place=place)

    def _read(self, place: str) -> list[Entry]:
        sealed = self._store.get(_key(place))
        data = self._sealer.open(sealed, purpose="index", place=place) if sealed else None
        if data is None or len(data) % _PACKED.size:
            return []  # none, altered, or of another version: nobody is to be kept from signing in by it
        now = self._clock()
        entries = (Entry(_name(digest), since, seen) for digest, since, seen in _PACKED.iter_unpack(data))
        return [entry for entry in entries if now < entry.since + self._lifetime]


def refusal_code(user: HubUser, login_groups: t.Collection[str]) -> str | None:
    """Why this person may not sign in, as a code of :data:`~flask_hub_auth.errors.CODES`; None if they may."""
    if user.banned:
        return "HUB-111"
    if user.guest:
        return "HUB-112"
    if login_groups and user.groups.isdisjoint(login_groups):
        return "HUB-113"
    return None


def _key(place: str) -> str:
    return "people:" + place


def _digest(key: str) -> bytes:
    return bytes.fromhex(key.removeprefix(PREFIX))


def _name(digest: bytes) -> str:
    return PREFIX + digest.hex()
