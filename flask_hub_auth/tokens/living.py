"""Which logins live, and how they end."""

from __future__ import annotations

import logging
import typing as t

from ..config import HubConfig
from ..errors import HubError
from ..model import Login
from ..sealing import logged, short_name, store_key
from ..seldom import Seldom
from . import times
from .logins import LoginStore

log = logging.getLogger("flask_hub_auth")

Reason = t.Literal["logout", "ended", "expired", "revoked", "banned"]


class LivingLogins:
    """The logins of a store that are not over. May be used from all threads.

    :param on_ended: told the user id and the reason when a login ends
    """

    def __init__(
        self,
        config: HubConfig,
        logins: LoginStore,
        *,
        clock: t.Callable[[], float],
        on_ended: t.Callable[[str, Reason], object],
    ) -> None:
        self.config = config
        self.logins = logins
        self._clock = clock
        self._on_ended = on_ended
        self._may_complain = Seldom()

    def now(self) -> float:
        """Epoch seconds, by the clock that all ends are counted by."""
        return self._clock()

    def end(self, handle: bytes, reason: Reason, *, generation: int | None = None) -> None:
        """End a login. At a logout nothing of it stays; else it stays known whose it was.

        :param generation: of the token that is the reason; a login that has another one by now lives on
        """
        if reason == "logout":
            login = self.logins.remove(handle)
            ended = login if login and not login.ended else None
        else:
            # Two requests may see the same end; only the one that writes it tells about it.
            login = self.logins.change(
                handle, lambda login: login.end(reason) if generation in (None, login.generation) else login
            )
            ended = login if login and login.ended else None
        if ended:
            log.info("login over: reason=%s %s", reason, logged(ended.user.id, store_key(handle)))
            self._on_ended(ended.user.id, reason)

    def told_ended(self, user_id: str, key: str) -> None:
        """Say that somebody has ended a login of this person; `key` is its name in the store."""
        log.info("login over: reason=ended %s", logged(user_id, key))
        self._on_ended(user_id, "ended")

    def has_expired(self, login: Login) -> bool:
        """Whether the token of a login is over."""
        return times.is_expired(login, self._clock())

    def living(self, handle: bytes) -> Login | None:
        """The login as it is in the store; None if it is over, which it also is by its ages."""
        login = self.logins.load(handle)
        if login is None or login.ended:
            return None
        if times.is_alive(login, self._clock(), self.config):
            return login
        self.end(handle, "expired")
        return None

    def changed(self, handle: bytes, login: Login, apply: t.Callable[[Login], Login]) -> Login | None:
        """The login with a change: in the store, or where that takes none at least for this request."""
        try:
            return self.logins.change(handle, apply)
        except HubError as failure:
            if self._may_complain():
                log.error("a change could not be kept: session=%s: %s", short_name(store_key(handle)), failure)
            return apply(login)
