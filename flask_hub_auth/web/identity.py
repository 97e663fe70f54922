"""Who is behind this request. Looked up when somebody asks, once per request."""

from __future__ import annotations

import hmac
import sys
import typing as t
from datetime import timedelta

from flask import current_app, has_request_context, request, session
from werkzeug.local import LocalProxy

from ..errors import HubConfigError, HubProblem, LoginRequired
from ..model import ANONYMOUS, HubPermissions, HubToken, HubUser, Identity
from ..sealing import HANDLE_BYTES, Handle, decode, decode_handle, encode
from ..tokens.bearer import Presented
from .navigation import presented_token
from .state import patience, state

SESSION_KEY: t.Final = "hub_login"
ONLY_BEARER: t.Final = "flask_hub_auth.only_bearer"
"""Key of the WSGI environment that marks a request where only a presented token counts."""
AS_NOBODY: t.Final = "flask_hub_auth.as_nobody"
"""Key of the WSGI environment that marks a request whose page shows nobody rather than an error."""
MOMENT: t.Final = 5
"""Seconds for which one request does not try again to renew a token."""
_CACHE: t.Final = "flask_hub_auth.identity"

T = t.TypeVar("T")


def identity() -> Identity:
    """The person behind this request, or nobody.

    :raises LoginRequired: a token is presented, and it is not good; the cookie does not count then
    :raises HubUnavailable: the login can neither be renewed nor trusted any longer without asking Hub
    :raises StoreUnavailable: the store could not be asked whether there is a login
    """
    found = known_identity()
    if found is None:
        with patience():
            found = _look_up()
        # One request may pass through two applications, each with people of its own.
        request.environ[_CACHE] = (state(), found, state().keeper.now())
    return found


def known_identity() -> Identity | None:
    """The identity if somebody has asked this application for it in this request."""
    owner, found, _ = request.environ.get(_CACHE, (None, None, 0.0))
    return t.cast(Identity, found) if owner is state() else None


def _is_just_known() -> bool:
    """Whether it was asked for a moment ago, and with it the renewal of its token."""
    return bool(0 <= state().keeper.now() - request.environ[_CACHE][2] < MOMENT)


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


def csrf_token() -> str:
    """A token for forms to ``/logout``, good for this login only."""
    return state().sealer.mac("csrf", presented_handle() or b"")


def is_csrf_token(token: str | None) -> bool:
    """Whether `token` is what :func:`csrf_token` gives for this request."""
    good = state().sealer.macs("csrf", presented_handle() or b"")
    return any(hmac.compare_digest((token or "").encode(), each.encode()) for each in good)


def make_ticket(max_age: float | timedelta) -> str:
    """The login behind this request for a job outside of it, good for `max_age` seconds."""
    handle = identity().handle
    if handle is None:
        raise LoginRequired("A ticket is given to somebody who is signed in with a browser.")
    hub = state()
    seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
    try:
        end = int(hub.keeper.now() + seconds).to_bytes(8, "big")
    except (TypeError, ValueError, OverflowError):
        raise HubConfigError(f"ticket: max_age must be seconds or a timedelta, got {max_age!r}.") from None
    return encode(hub.sealer.seal(handle + end, purpose="ticket"))


def handle_of(ticket: str) -> bytes:
    """The handle that a ticket holds; :class:`LoginRequired` for one that is old, altered or of somebody else."""
    hub = state()
    opened = hub.sealer.open(decode(ticket) or b"", purpose="ticket") or b""
    handle, end = opened[:HANDLE_BYTES], int.from_bytes(opened[HANDLE_BYTES:], "big")
    if len(handle) != HANDLE_BYTES or hub.keeper.now() >= end:
        raise LoginRequired("The ticket is old, or not one of this application.")
    return Handle(handle)


def _look_up() -> Identity:
    text = presented_token(request) if state().config.bearer != "off" else None
    if text is not None:
        return _by_token(text)
    handle = presented_handle()
    login = state().keeper.current(handle) if handle else None
    return Identity(login.user, login, handle) if login else Identity()


def _by_token(text: str) -> Identity:
    bearer = state().bearer
    presented = bearer.check(text)
    if presented.user_id is None:
        return Identity(bearer=presented.token)
    return Identity(AskedUser(presented.user_id, lambda: _user_of(presented)), bearer=presented.token)


def _user_of(presented: Presented) -> HubUser:
    with patience():
        return state().bearer.user(presented)


class AskedUser(HubUser):
    """A person of whom only the id is known yet; everything else is asked when it is read."""

    __slots__ = ("_ask",)

    def __init__(self, id: str, ask: t.Callable[[], HubUser]) -> None:
        # The slots of the other fields stay empty, so that reading one ends in __getattr__.
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "_ask", ask)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(_or_nobody(self._ask, ANONYMOUS), name)

    def __repr__(self) -> str:
        return f"AskedUser(id={self.id!r})"


def _user() -> HubUser:
    if not has_request_context():
        return ANONYMOUS  # In a job or a shell nobody is signed in.
    return _or_nobody(lambda: identity().user, ANONYMOUS)


def _or_nobody(read: t.Callable[[], T], nobody: T) -> T:
    """What `read` gives, or `nobody` where that cannot be told and the page is not to become an error by it."""
    shows_nobody = _is_error_page() or (has_request_context() and AS_NOBODY in request.environ)
    try:
        return read()
    except HubProblem:
        if shows_nobody:
            return nobody
        raise


def _is_error_page() -> bool:
    """Whether Flask has caught an exception, and asks for its page, which must not become another error."""
    caught = sys.exc_info()[1]
    where = caught.__traceback__ if caught else None
    # What a view catches itself has a traceback that begins in the view.
    return where is not None and where.tb_frame.f_globals.get("__name__") == "flask.app"


def _permissions() -> HubPermissions:
    return _or_nobody(_held, HubPermissions())


def _held() -> HubPermissions:
    who, hub = identity(), state()
    with patience():
        if who.handle:
            return hub.permissions.of(who.handle)
        if who.bearer and who.user:
            return hub.bearer.permissions(hub.bearer.check(who.bearer.reveal()))
        return HubPermissions()


def _token() -> HubToken:
    who = identity()
    if who.bearer:
        return HubToken(who.bearer)
    keeper = state().keeper
    if who.login and keeper.has_expired(who.login):
        # This request has tried to renew it a moment ago.
        raise keeper.unavailable("The token is over and could not be renewed.")
    tried = who.login if _is_just_known() else None
    with patience():
        token = keeper.token(who.handle, tried) if who.handle else None
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

current_hub_permissions: HubPermissions = t.cast(HubPermissions, LocalProxy(_permissions))
"""What the person behind this request may do; nothing for nobody. Read when it is used.

Reading it raises ``HubUnavailable`` where Hub could not be asked and what is known is too old.
"""
