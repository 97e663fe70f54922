"""A keeper with everything real around it: a Hub on a port, a store, and a list of what it told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flask_hub_auth.config import HubConfig
from flask_hub_auth.devhub import DevHub
from flask_hub_auth.errors import StoreUnavailable
from flask_hub_auth.hub import HubOAuth, HubRest, Transport
from flask_hub_auth.model import HubToken, HubUser, Login, Secret
from flask_hub_auth.sealing import Sealer
from flask_hub_auth.tokens import LoginStore, TokenKeeper
from flask_hub_auth.tokens.locks import Locks
from flask_hub_auth.tokens.store import Store

TOKEN_PATH = "/api/rest/oauth2/token"
ME_PATH = "/api/rest/users/me"
KEY = "k" * 32


class WatchedStore:
    """A store that counts what it is asked, and takes no writes while `refuses` is set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.locks: Locks = store.locks
        self.reads = self.writes = self.refused = 0
        self.refuses = False
        self.after_read: Callable[[], object] = lambda: None
        """Called once, by whoever reads next, after the read: so that a test can let others go first."""

    def get(self, key: str) -> bytes | None:
        self.reads += 1
        found = self._store.get(key)
        after_read, self.after_read = self.after_read, lambda: None
        after_read()
        return found

    def put(self, key: str, data: bytes, seconds: int) -> None:
        self._wrote()
        self._store.put(key, data, seconds)

    def replace(self, key: str, before: bytes, data: bytes, seconds: int) -> bool:
        self._wrote()
        return self._store.replace(key, before, data, seconds)

    def _wrote(self) -> None:
        if self.refuses:
            self.refused += 1
            raise StoreUnavailable("The disk is full.")
        self.writes += 1

    def delete(self, key: str) -> None:
        self.writes += 1
        self._store.delete(key)

    def claim(self, key: str, seconds: int) -> bool:
        return self._store.claim(key, seconds)

    def sweep(self) -> None:
        self._store.sweep()


@dataclass
class Site:
    """One process of a service: its keeper, and what it told."""

    hub: DevHub
    store: WatchedStore
    keeper: TokenKeeper
    read_user: Callable[[Secret], HubUser]
    ended: list[tuple[str, str]] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    secret: str = ""
    """What the service knows as its secret; taken when the keeper asks for it."""

    @property
    def logins(self) -> LoginStore:
        return self.keeper.logins

    def sign_in(self, login: str = "jane", *, offline: bool = True, **fields: Any) -> bytes:
        """Signs somebody in and answers the handle. `fields` replace those of Hub's token answer."""
        answer = self.hub.grant(login, offline=offline) | fields
        token = HubToken(
            access_token=Secret(answer["access_token"]),
            refresh_token=Secret(answer["refresh_token"]) if offline else None,
            scope=answer["scope"],
            expires_at=int(self.hub.clock()) + answer["expires_in"],
            id_token=Secret(answer["id_token"]) if "id_token" in answer else None,
        )
        return self.keeper.begin(self.read_user(token.access_token), token)

    def login(self, handle: bytes) -> Login:
        """The login as the store has it."""
        found = self.logins.load(handle)
        assert found is not None
        return found

    def access(self, handle: bytes) -> str:
        """The access token that a view gets."""
        token = self.keeper.token(handle)
        assert token is not None
        return token.access_token.reveal()


def make_site(
    hub: DevHub, store: Store, clock: Callable[[], float], *, lifetime: float | None = None, **settings: Any
) -> Site:
    """A service at `hub` that keeps its logins in `store`, there for `lifetime` seconds where that is given."""
    given = {
        "SECRET_KEY": KEY,
        "HUB_URL": hub.url,
        "HUB_SERVICE_ID": hub.service_id,
        "HUB_SERVICE_SECRET": "known below",
        "HUB_TIMEOUT": 2,
    }
    config = HubConfig.from_mapping(given | settings, debug=True)
    transport = Transport(config.url, timeout=config.timeout, clock=clock)
    site: Site

    def read_user(access_token: Secret) -> HubUser:
        return HubRest(config.url, access_token, transport=transport).me()

    def ask_secret() -> str:
        return site.secret

    watched = WatchedStore(store)
    logins = LoginStore(
        watched,
        Sealer(config.secret_keys, (config.url, config.service_id)),
        clock=clock,
        lifetime=lifetime or config.login_lifetime,
    )
    oauth = HubOAuth(config.url, config.service_id, ask_secret, transport=transport, clock=clock)
    keeper = TokenKeeper(
        config,
        logins,
        oauth,
        read_user,
        clock=clock,
        on_refreshed=lambda user_id: site.refreshed.append(user_id),
        on_ended=lambda user_id, reason: site.ended.append((user_id, reason)),
    )
    site = Site(hub, watched, keeper, read_user, secret=hub.service_secret or "")
    return site


@contextlib.contextmanager
def calls(hub: DevHub, path: str = TOKEN_PATH) -> Iterator[list[dict[str, Any]]]:
    """The calls to `path` of Hub that come while the block runs; the list is filled at its end."""
    before = len(hub.calls)
    found: list[dict[str, Any]] = []
    try:
        yield found
    finally:
        found += [call for call in hub.calls[before:] if call["path"] == path]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and the seconds that it took."""
    began = time.monotonic()
    return work(), time.monotonic() - began
