"""Who may sign in, and which logins a person has.

That is one record per person, with the names of the logins in the store and their times. It opens no login: there is no
handle and no token in it. It is what "sign out everywhere" needs.
"""

from __future__ import annotations

import struct
import typing as t
import zlib
from dataclasses import dataclass

from ..model import HubUser
from ..sealing import KEY_PREFIX as PREFIX
from ..sealing import Sealer
from .locks import writing
from .store import Store
from .times import is_rolling

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


KEPT_SECONDS: t.Final = 7 * 86400
"""How long a list knows of a login that is over by its age: the browser still has the handle, and what the application
has in its session stays there only for the same person."""


class PeopleIndex:
    """Keeps the list of every person's logins. May be used from all threads; may raise :class:`StoreUnavailable`.

    A list has a place of its own under every key of ``SECRET_KEY`` and its fallbacks, sealed with that key. All are
    read, and the current one is written; while older processes may run that do not have it yet, the others are too.

    :param lifetime: seconds after its beginning from which on a login is over, and its entry with it
    """

    def __init__(self, store: Store, sealer: Sealer, *, clock: t.Callable[[], float], lifetime: float) -> None:
        self._store = store
        self._current, *self._older = sealer.each()
        self._clock = clock
        self._lifetime = lifetime
        self._kept = int(lifetime) + KEPT_SECONDS
        self._began = clock()

    def of(self, user_id: str) -> list[Entry]:
        """The logins of a person, newest first; some may have ended by themselves, but none by its age."""
        return [entry for entry in self._all(user_id) if not self.is_over(entry)]

    def find(self, user_id: str, key: str) -> Entry | None:
        """The login of this name if it is one of this person, or was one in the last days."""
        return next((entry for entry in self._all(user_id) if entry.key == key), None)

    def is_over(self, entry: Entry) -> bool:
        """Whether a login is over by its age, and the store has thrown it away."""
        return self._clock() >= entry.since + self._lifetime

    def note(self, user_id: str, entry: Entry) -> None:
        """Add a login, or what has changed of it."""
        self._change(user_id, lambda entries: entries | {entry.key: entry})

    def drop(self, user_id: str, key: str) -> None:
        """Take a login away."""
        self._change(user_id, lambda entries: {name: entry for name, entry in entries.items() if name != key})

    def _all(self, user_id: str) -> list[Entry]:
        found: dict[str, Entry] = {}
        for sealer in (*reversed(self._older), self._current):
            found |= {entry.key: entry for entry in self._read(sealer, user_id)}
        return sorted(found.values(), key=lambda entry: entry.since, reverse=True)

    def _change(self, user_id: str, apply: t.Callable[[dict[str, Entry]], dict[str, Entry]]) -> None:
        with writing(self._store.locks, _lock(user_id), "index"):
            after = apply({entry.key: entry for entry in self._all(user_id)})
            newest = sorted(after.values(), key=lambda entry: entry.since)[-MOST:]
            self._write(self._current, user_id, newest)
            kept = newest if is_rolling(self._began, self._clock()) else []
            for sealer in self._older:
                self._write(sealer, user_id, kept)

    def _write(self, sealer: Sealer, user_id: str, entries: t.Sequence[Entry]) -> None:
        place = _place(sealer, user_id)
        if not entries:
            self._store.delete(_key(place))
            return
        data = b"".join(_PACKED.pack(_digest(entry.key), entry.since, entry.last_seen) for entry in entries)
        self._store.put(_key(place), sealer.seal(data, purpose="index", place=place), self._kept)

    def _read(self, sealer: Sealer, user_id: str) -> list[Entry]:
        place = _place(sealer, user_id)
        sealed = self._store.get(_key(place))
        data = sealer.open(sealed, purpose="index", place=place) if sealed else None
        if data is None or len(data) % _PACKED.size:
            return []  # none, altered, or of another version: nobody is to be kept from signing in by it
        now = self._clock()
        entries = (Entry(_name(digest), since, seen) for digest, since, seen in _PACKED.iter_unpack(data))
        return [entry for entry in entries if now < entry.since + self._kept]


def refusal_code(user: HubUser, login_groups: t.Collection[str]) -> str | None:
    """Why this person may not sign in, as a code of :data:`~flask_hub_auth.errors.CODES`; None if they may."""
    if user.banned:
        return "HUB-111"
    if user.guest:
        return "HUB-112"
    if login_groups and user.groups.isdisjoint(login_groups):
        return "HUB-113"
    return None


def _place(sealer: Sealer, user_id: str) -> str:
    return sealer.mac("index", user_id.encode())


def _key(place: str) -> str:
    return "people:" + place


def _lock(user_id: str) -> str:
    # Not by a key, since workers that have different ones share it; and too short to tell whose it is.
    return str(zlib.crc32(user_id.encode()) % 4096)


def _digest(key: str) -> bytes:
    return bytes.fromhex(key.removeprefix(PREFIX))


def _name(digest: bytes) -> str:
    return PREFIX + digest.hex()
