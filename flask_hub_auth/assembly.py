"""What one application gets: its settings checked, and the parts made from them."""

from __future__ import annotations

import logging
import typing as t
from urllib.parse import urlsplit

from flask import Flask

from .config import HubConfig
from .errors import HubConfigError
from .hub import HubOAuth
from .hub.directory import Directory
from .hub.openid import Discovery, IdTokens
from .hub.transport import Transport
from .hub.wire import Wire
from .readers import spelled, without_secrets
from .sealing import Sealer
from .tokens import LoginStore, TokenKeeper, open_store
from .tokens.bearer import BearerTokens
from .tokens.client import ServiceTokens
from .tokens.permissions import PermissionKeeper
from .tokens.store import Store, cache_problem
from .urls import is_loopback
from .web.pending import PendingLogins
from .web.signals import hub_logged_out, hub_token_refreshed
from .web.state import HubState

if t.TYPE_CHECKING:
    from requests import Session

log = logging.getLogger("flask_hub_auth")


def checked(app: Flask) -> HubConfig:
    """The settings of `app`; all problems of settings and cache in one error."""
    problems = [cache_problem(app.config.get("HUB_CACHE"))]
    try:
        config = HubConfig.from_mapping(app.config, debug=app.debug or app.testing)
    except HubConfigError as error:
        wrong = (*error.settings, *(["HUB_CACHE"] if problems[0] else []))
        raise HubConfigError("\n".join([str(error), *filter(None, problems)])).about(*wrong) from None
    if problems[0]:
        raise HubConfigError(problems[0]).about("HUB_CACHE")
    return config


def close_cookies(app: Flask, config: HubConfig) -> None:
    """Make the session cookie Secure on https and SameSite=Lax, where the application left Flask's defaults."""
    if config.secure and app.config["SESSION_COOKIE_SECURE"] is False:
        app.config["SESSION_COOKIE_SECURE"] = True
    if app.config["SESSION_COOKIE_SAMESITE"] is None:
        app.config["SESSION_COOKIE_SAMESITE"] = "Lax"


def warn_of_debug(app: Flask, config: HubConfig) -> None:
    """Say that the debugger is on where real people sign in: it lets whoever sees an error run code."""
    host = urlsplit(config.url).hostname or ""
    if app.debug and not is_loopback(host) and not host.endswith(".test"):
        log.warning("DEBUG is on, and people sign in at %s: leave it off where others reach this application.", host)


class Hidden(str):
    """A text whose representation is only what may be seen of it."""

    seen: str

    def __new__(cls, text: str, seen: str = "***") -> t.Self:
        hidden = super().__new__(cls, text)
        hidden.seen = seen
        return hidden

    def __repr__(self) -> str:
        return repr(self.seen)


def hide_secrets(app: Flask) -> None:
    """Keep what is secret in the settings out of their representation, which error reports show."""
    secret = spelled(app.config.get("HUB_SERVICE_SECRET"))
    if isinstance(secret, str):
        app.config["HUB_SERVICE_SECRET"] = Hidden(secret, "***")
    for key in ("HUB_CACHE", "HUB_PROXY"):
        address = app.config.get(key)
        if isinstance(address, str):
            app.config[key] = Hidden(address, without_secrets(address))


def store_of(app: Flask, config: HubConfig) -> Store:
    """Where the logins of `app` are kept."""
    try:
        store = open_store(config.cache, app.instance_path, timeout=config.timeout)
    except HubConfigError as error:
        error.about("HUB_CACHE")
        raise
    except OSError as error:
        raise HubConfigError(f"HUB_CACHE cannot be used: {error.strerror}.").about("HUB_CACHE") from error
    if isinstance(config.cache, str) and config.cache.startswith("memory:") and not (app.debug or app.testing):
        log.warning("HUB_CACHE is memory://: logins are lost at a restart and not shared between workers.")
    return store


def assembled(app: Flask, config: HubConfig, clock: t.Callable[[], float], http: Session | None) -> HubState:
    """The parts of one application, made from its settings and wired to each other."""
    transport = Transport(
        config.url, timeout=config.timeout, ca_bundle=config.ca_bundle, proxy=config.proxy, http=http, clock=clock
    )
    oauth = HubOAuth(config.url, config.service_id, config.service_secret, transport=transport, clock=clock)
    sealer = Sealer(config.secret_keys, (config.url, config.service_id))
    directory, discovery = Directory(config, transport), Discovery(transport)
    keeper = TokenKeeper(
        config,
        LoginStore(store_of(app, config), sealer, clock=clock, lifetime=config.login_lifetime),
        oauth,
        directory.user,
        clock=clock,
        on_refreshed=lambda user_id: hub_token_refreshed.send(app, user_id=user_id),
        on_ended=lambda user_id, reason: hub_logged_out.send(app, user_id=user_id, reason=reason),
    )
    return HubState(
        config=config,
        transport=transport,
        oauth=oauth,
        discovery=discovery,
        id_tokens=IdTokens(transport, discovery, config.service_id, clock=clock),
        sealer=sealer,
        keeper=keeper,
        permissions=PermissionKeeper(keeper, directory.permissions, clock=clock),
        bearer=BearerTokens(config, transport, directory, sealer, clock=clock),
        services=ServiceTokens(oauth, clock),
        wire=Wire(timeout=config.timeout, ca_bundle=config.ca_bundle, proxy=config.proxy, http=http),
        pending=PendingLogins(config, clock),
    )
