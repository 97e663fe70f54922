"""Logins in the store: sealed, found by the handle that only the browser has, changed one at a time."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import typing as t
from collections import OrderedDict
from dataclasses import replace

from ..errors import HubError, HubProtocolError, StoreUnavailable
from ..model import Login
from ..sealing import Sealer, new_handle, short_name, store_key
from .locks import OfProcess, writing
from .people import Entry, PeopleIndex
from .store import Store
from .times import is_rolling

log = logging.getLogger("flask_hub_auth")

_REMEMBERED: t.Final = 1024  # logins of which a process remembers something
_PAY_SECONDS: t.Final = 0.5
"""Between two tries to write what the store has refused."""
_LARGEST_REMEMBERED: t.Final = 16 * 1024  # bytes of a record that is kept opened; people in a thousand groups have more


class LoginStore:
    """Keeps logins. May be used from all threads; every method may raise :class:`StoreUnavailable`.

    :param lifetime: seconds after which a record is thrown away, whatever happened since
    """

    def __init__(self, store: Store, sealer: Sealer, *, clock: t.Callable[[], float], lifetime: float) -> None:
        self.store = store
        self._sealer = sealer
        self._clock = clock
        self._lifetime = lifetime
        self._began = clock()
        self._opened: OrderedDict[str, tuple[bytes, Login]] = OrderedDict()
        self._owed: OrderedDict[bytes, Login] = OrderedDict()
        self._payer: threading.Thread | None = None
        self._guard = OfProcess(threading.Lock)
        self.people = PeopleIndex(store, sealer, clock=clock, lifetime=lifetime)

    def add(self, login: Login) -> bytes:
        """Keep a new login and answer its handle."""
        handle = new_handle()
        # First the list of the person's logins, so that there is no login that "sign out everywhere" cannot find.
        self.note(handle, login)
        self._put(handle, login)
        if self.people.find(login.user.id, store_key(handle)) is None:
            # Somebody has just signed the person out everywhere, when there was nothing to end of this login yet.
            self.note(handle, login)
        self.store.sweep()
        return handle

    def load(self, handle: bytes) -> Login | None:
        """The login that `handle` opens, also one that has ended; None if there is none or it cannot be opened."""
        return self._loaded(handle)[1]

    def _loaded(self, handle: bytes) -> tuple[bytes, Login | None]:
        """What is in the store, and the login that this is."""
        key = store_key(handle)
        sealed = self.store.get(key)
        if sealed is None:
            return b"", None
        with self._guard():
            known = self._opened.get(key)
            if known:
                self._opened.move_to_end(key)
        # Opening costs more than comparing: the same bytes give the same login.
        login = known[1] if known and known[0] == sealed else self._open(key, sealed, handle)
        owed = self._owed.get(handle)
        return sealed, with_token(login, owed) if login and owed else login

    def change(self, handle: bytes, apply: t.Callable[[Login], Login]) -> Login | None:
        """Apply a change to the login as it is now, and answer the result; None if it is gone or has ended.

        Nothing is written where `apply` gives back the login that it got.

        The login is loaded again under the write lock, so that no change undoes another and none brings back a login
        that was signed out meanwhile.
        """
        with writing(self.store.locks, store_key(handle)):
            while True:
                sealed, login = self._loaded(handle)
                if login is None or login.ended:
                    return None
                changed = apply(login)
                if changed is login and not self.owes(handle):
                    return login
                # A lock that has a lease may be somebody else's by now, who has changed or removed the login.
                if self._replaced(handle, sealed, changed):
                    break
            self._owed.pop(handle, None)
        if changed.ended:
            self._drop(login.user.id, store_key(handle))
        return changed

    def remove(self, handle: bytes) -> Login | None:
        """Forget the login and answer what it was. Never waits for Hub: only the write lock is taken.

        What cannot be opened here is forgotten too: another process may have its key, and who has the handle leaves.
        """
        with writing(self.store.locks, store_key(handle)):
            sealed, login = self._loaded(handle)
            if sealed:
                self.store.delete(store_key(handle))
            self._owed.pop(handle, None)
        if login is not None:
            self._drop(login.user.id, store_key(handle))
        return login

    def was_of(self, handle: bytes, user_id: str) -> bool:
        """Whether this is a login of that person, or was one that the store has thrown away by its age."""
        login = self.load(handle)
        return login.user.id == user_id if login else self.people.find(user_id, store_key(handle)) is not None

    def forget_outlived(self, handle: bytes, user_id: str) -> bool:
        """Whether this was a login of that person that is over by its age; then their list forgets it."""
        entry = self.people.find(user_id, store_key(handle))
        if entry is None or not self.people.is_over(entry):
            return False
        self._drop(user_id, entry.key)
        return True

    def remove_listed(self, user_id: str, key: str) -> None:
        """Forget a login by its name in the list of its person; no handle is needed to take it away."""
        self._delete(key)
        self._drop(user_id, key)
        # One that was just about to be kept is there by now, or it will find that it is not listed any more.
        self._delete(key)

    def _delete(self, key: str) -> None:
        with writing(self.store.locks, key):
            self.store.delete(key)

    def note(self, handle: bytes, login: Login) -> None:
        """Write the times of a login into the list of its person."""
        self.people.note(login.user.id, Entry(store_key(handle), login.since, login.last_seen))

    def list_seen(self, handle: bytes, login: Login) -> None:
        """As :meth:`note`, where the list may stay as it is if the store does not take it."""
        try:
            self.note(handle, login)
        except StoreUnavailable as failure:
            log.warning("last seen could not be listed: session=%s: %s", short_name(store_key(handle)), failure)

    def _drop(self, user_id: str, key: str) -> None:
        try:
            self.people.drop(user_id, key)
        except StoreUnavailable as failure:
            # The login itself is gone, which is what counts; its entry goes with its age.
            log.warning("a login could not be taken off its person's list: session=%s: %s", short_name(key), failure)

    def owe(self, handle: bytes, renewed: Login) -> None:
        """Remember the token of `renewed`, which the store has refused, until it takes it.

        Hub may have rotated: to spend the old token again would end the login there. So at least this process goes on,
        and a thread brings the token to the others as soon as the store takes it.
        """
        with self._guard():
            self._owed[handle] = renewed
            if len(self._owed) > _REMEMBERED:
                self._owed.popitem(last=False)
            if self._payer is None or not self._payer.is_alive():
                self._payer = threading.Thread(target=self._pay, name="hub-owed", daemon=True)
                self._payer.start()

    def _pay(self) -> None:
        while owed := list(self._owed):
            time.sleep(_PAY_SECONDS)
            for handle in owed:
                try:
                    self.change(handle, lambda login: login)
                except HubError:
                    break
                self._owed.pop(handle, None)  # also where the login is over

    def owes(self, handle: bytes) -> bool:
        """Whether the store still lacks the token of this login."""
        return handle in self._owed

    def claim_state(self, state: str, seconds: int) -> bool:
        """True for the first of all callers, in all processes, who comes with `state`."""
        return self.store.claim(_used_key(state), seconds)

    def was_claimed(self, state: str) -> bool:
        """Whether somebody already came with `state`."""
        return self.store.get(_used_key(state)) is not None

    def _open(self, key: str, sealed: bytes, handle: bytes) -> Login | None:
        data = self._sealer.open(sealed, purpose="login", place=key, handle=handle)
        if data is None:
            # Altered, or written under a key that this process does not have. Another may have it: nothing is deleted.
            log.warning("a login in the store could not be opened: session=%s", short_name(key))
            return None
        try:
            login = Login.from_json(data)
        except (ValueError, TypeError):
            log.warning("a login in the store has another shape: session=%s", short_name(key))
            return None
        self._remember(key, sealed, login)
        return login

    def _put(self, handle: bytes, login: Login) -> None:
        key, sealed, seconds = self._sealed(handle, login)
        self.store.put(key, sealed, seconds)
        self._remember(key, sealed, login)

    def _replaced(self, handle: bytes, before: bytes, login: Login) -> bool:
        like = before if is_rolling(self._began, self._clock()) else None
        key, sealed, seconds = self._sealed(handle, login, like=like)
        replaced = self.store.replace(key, before, sealed, seconds)
        if replaced:
            self._remember(key, sealed, login)
        return replaced

    def _sealed(self, handle: bytes, login: Login, *, like: bytes | None = None) -> tuple[str, bytes, int]:
        """The place of a login in the store, what is kept there, and for how many seconds."""
        key = store_key(handle)
        try:
            data = login.to_json()
        except ValueError as error:
            raise HubProtocolError(f"What Hub says of a person cannot be kept: {error}.") from None
        sealed = self._sealer.seal(data, purpose="login", place=key, handle=handle, like=like)
        return key, sealed, int(login.since + self._lifetime - self._clock())

    def _remember(self, key: str, sealed: bytes, login: Login) -> None:
        if len(sealed) > _LARGEST_REMEMBERED:
            return
        with self._guard():
            self._opened[key] = (sealed, login)
            if len(self._opened) > _REMEMBERED:
                self._opened.popitem(last=False)


def with_token(login: Login, renewed: Login) -> Login:
    """`login` with the token of `renewed`, unless it is over or has one that is as new."""
    if login.ended or login.generation >= renewed.generation:
        return login
    return replace(login, token=renewed.token, token_life=renewed.token_life, generation=renewed.generation)


def _used_key(state: str) -> str:
    return "used:" + hashlib.sha256(state.encode()).hexdigest()
