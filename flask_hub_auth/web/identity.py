"""Who is behind this request. Looked up when somebody asks, once per request."""

from __future__ import annotations

import hmac
import typing as t

from flask import current_app, request, session
from werkzeug.local import LocalProxy

from ..errors import LoginRequired
from ..model import ANONYMOUS, HubToken, HubUser, Identity
from ..sealing import decode_handle, encode
from .state import state

SESSION_KEY: t.Final = "hub_login"
_CACHE: t.Final = "flask_hub_auth.identity"


def identity() -> Identity:
    """The person behind this request, or nobody.

    :raises HubUnavailable: the login can neither be renewed nor trusted any longer without asking Hub
    :raises StoreUnavailable: the store could not be asked whether there is a login
    """
    found = request.environ.get(_CACHE)
    if found is None:
        found = request.environ[_CACHE] = _look_up()
    return t.cast(Identity, found)


def known_identity() -> Identity | None:
    """The identity if somebody has asked for it in this request."""
    return request.environ.get(_CACHE)


def forget_identity() -> None:
    """Look it up again next time: this request has changed it."""
    request.environ.pop(_CACHE, None)


def presented_handle() -> bytes | None:
    """The handle that the session holds."""
    return decode_handle(session.get(SESSION_KEY))


def keep_handle(handle: bytes) -> None:
    """Put a new handle into the session, whose own id changes too where its interface can do that."""
    regenerate = getattr(current_app.session_interface, "regenerate", None)
    if callable(regenerate):
        regenerate(session)
    session[SESSION_KEY] = encode(handle)


def has_bearer() -> bool:
    """Whether the request presents a bearer token. Then the header alone decides who it is."""
    scheme = request.headers.get("Authorization", "").split(" ", 1)[0]
    return scheme.lower() == "bearer" and state().config.bearer != "off"


def csrf_token() -> str:
    """A token for forms to ``/logout``, good for this login only."""
    return state().sealer.mac("csrf", presented_handle() or b"")


def is_csrf_token(token: str | None) -> bool:
    """Whether `token` is what :func:`csrf_token` gives for this request."""
    return hmac.compare_digest((token or "").encode(), csrf_token().encode())


def _look_up() -> Identity:
    handle = presented_handle()
    if handle is None or has_bearer():
        return Identity()
    login = state().keeper.current(handle)
    return Identity(login.user, login, handle) if login else Identity()


def _user() -> HubUser:
    return identity().user or ANONYMOUS


def _token() -> HubToken:
    handle = identity().handle
    token = state().keeper.token(handle) if handle else None
    if token is None:
        raise LoginRequired("current_hub_token was read, and nobody is signed in.")
    return token


current_hub_user: HubUser = t.cast(HubUser, LocalProxy(_user))
"""Who is signed in; falsy when nobody is."""

current_hub_token: HubToken = t.cast(HubToken, LocalProxy(_token))
"""A token of the person behind this request that is good now.

Reading it raises ``LoginRequired`` when nobody is signed in, and ``HubUnavailable`` when the token is over and could
not be renewed.
"""
