"""Who is behind a presented token.

A signed token is checked here: against Hub's public key, its end, and whether this service is in its scope. What it
does not say, a login and a name and groups, is asked at Hub when somebody needs it. Other tokens say nothing to us: Hub
is asked who they belong to, and for whom they were meant nobody can tell.
"""

from __future__ import annotations

import logging
import threading
import time
import typing as t
from collections import OrderedDict
from dataclasses import dataclass, field

from ..config import HUB_ID, HubConfig
from ..errors import HubRefused, HubUnavailable, LoginRequired, TokenRejected
from ..hub.credentials import is_token
from ..hub.directory import Directory
from ..hub.openid import SKEW
from ..hub.signed import HubKeys, SignedToken
from ..hub.transport import Transport
from ..model import ANONYMOUS, HubPermissions, HubUser, Readings, Secret
from ..sealing import Sealer
from .calls import SharedCalls
from .readings import after, are_due, decided, young

log = logging.getLogger("flask_hub_auth")

REMEMBERED: t.Final = 4096
"""Tokens that a process remembers."""
REFUSED_SECONDS: t.Final = 10
LOOKUPS: t.Final = 20
"""Unknown tokens that a process asks Hub about in a second."""
T = t.TypeVar("T")


@dataclass(slots=True)
class Presented:
    """A token that is good: whose it is, and what Hub said about that person so far.

    `user_id` is None for a service's own token. `scope`: the ids of a signed token, None where nobody can tell.
    """

    token: Secret
    user_id: str | None
    ends_at: float
    scope: frozenset[str] | None = None
    user: HubUser | None = field(default=None, repr=False)
    user_at: float = 0.0
    permissions: Readings | None = field(default=None, repr=False)
    permissions_at: float = 0.0
    refused_until: float = 0.0


class BearerTokens:
    """Checks presented tokens for one service. May be used from all threads; remembers a bounded number."""

    def __init__(
        self,
        config: HubConfig,
        transport: Transport,
        directory: Directory,
        sealer: Sealer,
        *,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._directory = directory
        self._sealer = sealer
        self._clock = clock
        self._keys = HubKeys(transport, clock)
        self._known: OrderedDict[str, Presented | float] = OrderedDict()
        self._guard = threading.Lock()
        self._calls = SharedCalls[t.Any]()
        self._budget, self._budget_at = float(LOOKUPS), 0.0
        self._warned = False

    def check(self, text: str) -> Presented:
        """What is behind the token `text`.

        :raises LoginRequired: with the error ``invalid_token``: it is not good, or not for this service
        :raises HubUnavailable: Hub could not be asked, or too many unknown tokens came within a second
        """
        if not is_token(text):
            raise _bad("The token has characters or a length that Hub's tokens have not.")
        name = self._sealer.mac("bearer-cache", text.encode())
        known = self._remembered(name)
        # Once for all who present it at this moment.
        return known or t.cast(Presented, self._calls.call(name, lambda: self._first_seen(name, text)))

    def _first_seen(self, name: str, text: str) -> Presented:
        # Somebody else may have asked between our look and our turn.
        known = self._remembered(name)
        if known is not None:
            return known
        signed = SignedToken.parse(text)
        if signed is not None:
            return self._keep(name, self._checked(signed, Secret(text)))
        if self._config.bearer != "any":
            raise _bad("The token is not a signed one; others are accepted only with HUB_BEARER = 'any'.")
        return self._looked_up(name, Secret(text))

    def user(self, presented: Presented) -> HubUser:
        """The person behind a token, asked at most once per ``HUB_BEARER_TTL``.

        :raises LoginRequired: Hub does not take the token any more, or calls its person banned or guest
        """
        assert presented.user_id is not None
        if presented.scope is not None and HUB_ID not in presented.scope:
            # Hub's REST would refuse it, and nobody else knows a name.
            return HubUser(id=presented.user_id, login="")
        if presented.user is None or self._is_old(presented.user_at):
            self._calls.call((id(presented), "user"), lambda: self._read_user(presented))
        return presented.user or ANONYMOUS

    def _read_user(self, presented: Presented) -> None:
        if presented.user is not None and not self._is_old(presented.user_at):
            return
        user = self._asked(presented, self._directory.user)
        if user.id != presented.user_id or user.banned or user.guest:
            raise self._refused(presented, "Hub calls the person behind the token banned or guest.")
        presented.user, presented.user_at = user, self._clock()

    def permissions(self, presented: Presented) -> HubPermissions:
        """What the person behind a token may do, asked at most once per ``HUB_BEARER_TTL``."""
        if presented.scope is not None and HUB_ID not in presented.scope:
            return HubPermissions()
        if self._are_due(presented):
            self._calls.call((id(presented), "permissions"), lambda: self._read_permissions(presented))
        longest = self._config.bearer_ttl + self._config.outage_grace
        return decided(young(presented.permissions, self._clock(), longest))

    def _are_due(self, presented: Presented) -> bool:
        return are_due(presented.permissions, presented.permissions_at, self._clock(), self._config.bearer_ttl)

    def _read_permissions(self, presented: Presented) -> None:
        if self._are_due(presented):
            said, now = self._asked(presented, self._directory.permissions), self._clock()
            presented.permissions, presented.permissions_at = after(presented.permissions, said, int(now)), now

    def _is_old(self, at: float) -> bool:
        # What was asked later than now was asked before the clock went back; nobody knows how long ago.
        return not 0 <= self._clock() - at < self._config.bearer_ttl

    def _asked(self, presented: Presented, ask: t.Callable[[Secret], T]) -> T:
        if 0 < presented.refused_until - self._clock() <= REFUSED_SECONDS:
            raise _bad("Hub has just refused the token.")
        try:
            return ask(presented.token)
        except TokenRejected:
            raise self._refused(presented, "Hub does not take the token any more.") from None

    def _refused(self, presented: Presented, why: str) -> LoginRequired:
        presented.refused_until = self._clock() + REFUSED_SECONDS
        return _bad(why)

    def _checked(self, signed: SignedToken, token: Secret) -> Presented:
        if self._clock() >= signed.ends_at + SKEW:
            raise _bad("The token has expired.")
        if not self._keys.verify(signed):
            raise _bad("The signature of the token is not Hub's.")
        if self._config.service_id not in signed.scope:
            raise _bad("The token is not for this service: its id is not in the token's scope.")
        return Presented(token, signed.user_id, signed.ends_at + SKEW, signed.scope)

    def _looked_up(self, name: str, token: Secret) -> Presented:
        if not self._warned:
            self._warned = True
            log.warning("HUB_BEARER is 'any': tokens are accepted whose audience nobody can check.")
        # A token that was good a moment ago is not an unknown one: a flood of junk must not keep it out.
        if name not in self._known:
            self._spend()
        try:
            return self._keep(name, self._asked_about(token))
        except LoginRequired:
            self._remember(name, self._clock() + REFUSED_SECONDS)
            raise

    def _asked_about(self, token: Secret) -> Presented:
        now = self._clock()
        presented = Presented(token, "", now + self._config.bearer_ttl)
        try:
            user = self._asked(presented, self._directory.user)
        except HubRefused as failure:
            # Hub knows the token and has no user for it: a service's own.
            log.info("a presented token belongs to nobody: %s", failure)
            presented.user_id = None
            return presented
        if user.banned or user.guest:
            raise _bad("Hub calls the person behind the token banned or guest.")
        presented.user_id, presented.user, presented.user_at = user.id, user, now
        return presented

    def _spend(self) -> None:
        """Take one of the look-ups of this second; 503 where none is left."""
        with self._guard:
            now = self._clock()
            # A clock that goes back gives nothing, and takes nothing either.
            self._budget = min(float(LOOKUPS), self._budget + max(now - self._budget_at, 0) * LOOKUPS)
            self._budget_at = now
            if self._budget < 1:
                raise HubUnavailable("Too many unknown tokens within a second.", retry_after=1)
            self._budget -= 1

    def _remembered(self, name: str) -> Presented | None:
        with self._guard:
            known = self._known.get(name)
            if known is None:
                return None
            left = (known if isinstance(known, float) else known.ends_at) - self._clock()
            # More than was given it has only after the clock went back; what a token says itself stays true then.
            signed = isinstance(known, Presented) and known.scope is not None
            if left <= 0 or (not signed and left > max(self._config.bearer_ttl, REFUSED_SECONDS)):
                if isinstance(known, float):
                    del self._known[name]
                return None
            self._known.move_to_end(name)
        if isinstance(known, float):
            raise _bad("Hub has just refused the token.")
        return known

    def _keep(self, name: str, what: Presented) -> Presented:
        self._remember(name, what)
        return what

    def _remember(self, name: str, what: Presented | float) -> None:
        with self._guard:
            self._known[name] = what
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def _bad(why: str) -> LoginRequired:
    return LoginRequired(why, error="invalid_token")
