"""When a token is renewed, and by whom.

A renewal is due a little before the token's end. While the old token is still good, one request renews and nobody else
waits; after its end the others wait for the one and use its result. What cannot be asked is not a "no": a login ends
only when Hub says ``invalid_grant``, when Hub calls its person banned or guest or out of the login groups, and by age.
"""

from __future__ import annotations

import logging
import time
import typing as t
from contextlib import contextmanager
from dataclasses import replace

from ..config import HubConfig
from ..errors import HubError, HubUnavailable, StoreUnavailable, TokenRejected
from ..hub import HubOAuth
from ..hub.deadline import within
from ..hub.rest import ME_PATH
from ..hub.transport import SPARED
from ..model import HubToken, HubUser, Login, Secret
from ..sealing import logged, store_key
from . import times
from .living import LivingLogins, Reason
from .logins import LoginStore, with_token
from .people import refusal_code

log = logging.getLogger("flask_hub_auth")

T = t.TypeVar("T")
_KEEP_SECONDS: t.Final = 0.7
"""How long a renewal tries to keep its new tokens in a store that refuses them."""


class TokenKeeper(LivingLogins):
    """Keeps the tokens of logins fresh. May be used from all threads.

    :param read_user: asks Hub who is behind an access token (``HubRest(...).me``)
    :param on_refreshed: told the user id after each renewal
    """

    def __init__(
        self,
        config: HubConfig,
        logins: LoginStore,
        oauth: HubOAuth,
        read_user: t.Callable[[Secret], HubUser],
        *,
        clock: t.Callable[[], float] = time.time,
        on_refreshed: t.Callable[[str], object] = lambda user_id: None,
        on_ended: t.Callable[[str, Reason], object] = lambda user_id, reason: None,
    ) -> None:
        super().__init__(config, logins, clock=clock, on_ended=on_ended)
        self._oauth = oauth
        self._read_user = read_user
        self._on_refreshed = on_refreshed

    def begin(self, user: HubUser, token: HubToken, *, authenticated_at: int = 0) -> bytes:
        """Keep a new login and answer its handle. `authenticated_at`: when its person entered a password, if known."""
        now = int(self._clock())
        token, life = times.lasting(token, now)
        login = Login(user=user, token=token, token_life=life, since=now, last_seen=now, read_at=now)
        return self.logins.add(replace(login, authenticated_at=authenticated_at))

    def current(self, handle: bytes) -> Login | None:
        """The living login behind `handle`, renewed and read again where that is due; None if there is none.

        :raises HubUnavailable: the token is over, Hub could not be asked, and so is ``HUB_OUTAGE_GRACE``
        :raises StoreUnavailable: the store could not be asked
        """
        with within(self.config.timeout):
            login = self.living(handle)
            login = login and self._renewed(handle, login)
            login = login and self._reread(handle, login)
        if login is None:
            return None
        if self._clock() >= login.token.expires_at + self.config.outage_grace:
            raise self.unavailable("The token could not be renewed, and the time of grace is over.")
        return self._seen(handle, login)

    def token(self, handle: bytes, tried: Login | None = None) -> HubToken | None:
        """A token that is good now; None if there is no login.

        :param tried: the login as :meth:`current` gave it a moment ago; what that has tried is not tried again
        :raises HubUnavailable: the token is over and could not be renewed; there is no grace for a call that needs it
        """
        login = self.living(handle)
        if login and not (tried and _tries(login) == _tries(tried)):
            login = self._renewed(handle, login)
        if login and times.is_expired(login, self._clock()):
            raise self.unavailable("The token is over and could not be renewed.")
        return login.token if login else None

    def renew(self, handle: bytes, refused: Secret) -> HubToken | None:
        """Another token than the one that a service has just refused; None if there is no login any more.

        It is the same one where there is no refresh token to get another with.

        :raises HubUnavailable: the renewal failed, for any cause but that Hub says the login is over
        """
        login = self.living(handle)
        if login and login.token.access_token == refused and login.token.refresh_token:
            login = self._renewed_once(handle, login, self._patience)
            if login and login.token.access_token == refused:
                raise self.unavailable("A service refused the token, and it could not be renewed.")
        return login.token if login else None

    def unavailable(self, message: str) -> HubUnavailable:
        """What to raise where there is no token, with the time after which it is worth asking Hub for one again."""
        return HubUnavailable(message, retry_after=self._oauth.pause())

    def _renewed(self, handle: bytes, login: Login) -> Login | None:
        """The login with a good token, as far as that can be had now."""
        now = self._clock()
        if not times.is_renewal_due(login, now, self.config):
            return login
        if login.token.refresh_token is None:
            if not times.is_expired(login, now):
                return login
            self.end(handle, "expired")
            return None
        # While the old token is good nobody waits for somebody else's renewal.
        return self._renewed_once(handle, login, self._patience if times.is_expired(login, now) else 0)

    @property
    def _patience(self) -> float:
        # A call to Hub takes its timeout at most; somebody may have begun one just before us.
        return self.config.timeout + 4

    def _renewed_once(self, handle: bytes, login: Login, wait: float) -> Login | None:
        """The login as one of all who want it renewed has left it."""
        if not self._oauth.may_ask():
            return login
        with self.renewing(handle, login, wait) as mine:
            if not mine:
                return self.living(handle) if wait else login
            again = self.living(handle)
            # Somebody else may have refreshed, or failed to, while we waited.
            if again is None or _tries(again) != _tries(login):
                return again
            return self._renew(handle, again)

    @contextmanager
    def renewing(self, handle: bytes, login: Login, wait: float) -> t.Iterator[bool]:
        """The renew lock: at most one caller at a time asks Hub about a login. See :meth:`Locks.hold`.

        However many calls that takes, they are over within ``HUB_TIMEOUT``, which the lease of the lock outlives.
        """

        def settled() -> bool:
            now = self.logins.load(handle)
            return now is None or bool(now.ended) or _tries(now) != _tries(login)

        done = settled if wait else None
        lock = self.logins.store.locks.hold("renew", store_key(handle), wait=wait, done=done)
        with lock as mine, within(self.config.timeout):
            yield mine

    def _renew(self, handle: bytes, login: Login) -> Login | None:
        """Spend the refresh token. Only under the renew lock, with a login just loaded."""
        if login.token.refresh_token is None:
            self.end(handle, "revoked")
            return None
        try:
            if self._oauth.rotates and self._noted(handle) is None:
                return None
            token = self._oauth.refresh(login.token.refresh_token)
        except TokenRejected as refusal:
            return self._rejected(handle, login, refusal)
        except HubError as failure:
            return self.failed(handle, login, failure)
        renewed = self._kept(handle, login, token)
        if renewed is not None:
            log.info("token renewed: %s", logged(login.user.id, store_key(handle)))
            self._on_refreshed(login.user.id)
        return renewed

    def _noted(self, handle: bytes) -> Login | None:
        """The login, written once more: a store that refuses that would refuse the new token too.

        A Hub that rotates ends the login when somebody else then spends the old token again.
        """
        now = int(self._clock())
        return self.logins.change(handle, lambda login: replace(login, last_seen=now))

    def _kept(self, handle: bytes, login: Login, token: HubToken) -> Login | None:
        """The login with its new token, in the store before anybody uses it."""
        token, life = times.lasting(token, self._clock())
        # A renewal says nothing of what stays the same (RFC 6749 section 5.1).
        token = replace(token, scope=token.scope or login.token.scope, id_token=token.id_token or login.token.id_token)
        renewed = replace(login, token=token, token_life=life, generation=login.generation + 1)
        end = time.monotonic() + _KEEP_SECONDS
        while time.monotonic() < end:
            try:
                return self.logins.change(handle, lambda login: with_token(login, renewed))
            except StoreUnavailable:
                time.sleep(0.25)
        log.error("new tokens could not be kept: %s", logged(login.user.id, store_key(handle)))
        self.logins.owe(handle, renewed)
        return renewed

    def _rejected(self, handle: bytes, login: Login, refusal: TokenRejected) -> Login | None:
        again = self.living(handle)
        if again is not None and again.generation != login.generation:
            return again
        log.info("token not renewed, Hub says no: %s %s", logged(login.user.id, store_key(handle)), refusal.error)
        self.end(handle, "revoked", generation=login.generation)
        return self.living(handle)

    def failed(self, handle: bytes, login: Login, failure: HubError) -> Login | None:
        """The login as it was, with a mark for those who wait for the result: there is none to be had now."""
        if isinstance(failure, HubUnavailable) and failure.cause == SPARED:
            return login
        log.warning("Hub could not be asked: %s: %s", logged(login.user.id, store_key(handle)), failure)
        return self.changed(handle, login, lambda login: replace(login, failures=login.failures + 1))

    def _reread(self, handle: bytes, login: Login) -> Login | None:
        """The login with its person read again from Hub, if that is due and nobody else is at it."""
        if not times.is_reading_due(login, self._clock(), self.config) or not self._oauth.may_ask(ME_PATH):
            return login
        with self.renewing(handle, login, 0) as mine:
            again = self.living(handle) if mine else login
            if not mine or again is None or not times.is_reading_due(again, self._clock(), self.config):
                return again
            return self.read_again(handle, again)

    def read_again(self, handle: bytes, login: Login) -> Login | None:
        """The login with its person read from Hub. Only under the renew lock, with a login just loaded."""
        try:
            found = self.asked(handle, login, self._read_user)
        except HubError as failure:
            return self.failed(handle, login, failure)
        if found is None:
            return None
        user = found[1]
        if user.id != login.user.id or refusal_code(user, self.config.login_groups):
            self.end(handle, "banned" if user.banned else "revoked")
            return None
        now = int(self._clock())
        return self.changed(handle, found[0], lambda login: replace(login, user=user, read_at=now))

    def asked(self, handle: bytes, login: Login, ask: t.Callable[[Secret], T]) -> tuple[Login, T] | None:
        """The login and what `ask` answers to its token; None if the login turns out to be over.

        After a 401 the token is renewed once: either the token or the person is over, and the refresh token decides
        which. Only under the renew lock.
        """
        try:
            return login, ask(login.token.access_token)
        except TokenRejected:
            if times.is_just_renewed(login, self._clock()):
                raise
            renewed = self._renew(handle, login)
        if renewed is None:
            return None
        if renewed.generation == login.generation:
            raise self.unavailable("Hub refused the token, and it could not be renewed.")
        return renewed, ask(renewed.token.access_token)

    def _seen(self, handle: bytes, login: Login) -> Login | None:
        now = self._clock()
        if times.seen(login, now, self.config) is login and not self.logins.owes(handle):
            return login
        changed = self.changed(handle, login, lambda login: times.seen(login, now, self.config))
        if changed and times.is_listing_due(login, now):
            self.logins.list_seen(handle, changed)
        return changed


def _tries(login: Login) -> tuple[int, int]:
    """Changes whenever somebody has asked Hub about this login, with or without success."""
    return login.generation, login.failures
