"""How a login begins, and how it ends."""

from __future__ import annotations

import typing as t

from flask import Response, after_this_request, request, session

from ..errors import LoginFailed
from ..pages import PAGE_HEADERS
from .addresses import login_address, site_path
from .identity import forget_identity, identity, known_identity, presented_handle
from .navigation import arguments, can_navigate, is_foreign_host
from .pending import AS_USUAL, Asked, Tried
from .signals import hub_login_failed
from .state import application, has_optional_pages, state

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers

MOST_TRIPS: t.Final = 3
"""Round trips in a row that end with nobody signed in; then a page says so instead of a fourth."""


class Redirect(Response):
    """A redirect to an address that is sent byte for byte."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        # Werkzeug reads every Location anew: it drops an empty query and encodes what browsers send as it is.
        headers = super().get_wsgi_headers(environ)
        headers["Location"] = self.headers["Location"]
        return headers


def redirect_to(address: str) -> Response:
    """302 to `address`, never cached and with no referrer."""
    return Redirect(status=302, headers={"Location": address, **PAGE_HEADERS})


def begin_login(next: str | None, asked: Asked = AS_USUAL) -> Response:
    """302 to Hub, and the cookie of a pending login that comes back to `next`, an address already checked.

    A page opened under another host name than the public one is first sent there, since cookies would not come back. If
    that ends under a foreign name again, a proxy rewrites it, and the login begins all the same.
    """
    hub = state()
    if "canonical" not in arguments(request) and can_navigate(request) and is_foreign_host(request, hub.config):
        base = hub.config.service_url.removesuffix(site_path("", hub.config))
        return redirect_to(base + login_address(next, hub.config, canonical="1", **_words(asked)))
    pending = hub.pending.begin(next or site_path(hub.config.after_login, hub.config), asked)
    openid = hub.config.openid
    response = redirect_to(
        hub.oauth.authorization_url(
            redirect_uri=hub.config.redirect_uri,
            state=pending.sent,
            verifier=pending.verifier,
            scope=hub.config.login_scope,
            offline=hub.config.offline,
            request_credentials=asked.credentials or hub.config.request_credentials,
            nonce=pending.nonce if openid else None,
            max_age=asked.max_age if openid else None,
            prompt="login" if openid and asked.is_step_up else None,
        )
    )
    hub.pending.remember(response, request.cookies, pending)
    return response


def _words(asked: Asked) -> dict[str, str]:
    """What :func:`asked_by` reads from the query of ``/login``; the strictest of what was asked for."""
    if asked.is_step_up:
        return {"again": "1"}
    return {"required": {"switch": "1"}, "silent": {"silent": "1"}}.get(asked.credentials or "", {})


def asked_by(words: t.Container[str]) -> Asked:
    """What the words in the query of ``/login`` ask for.

    ``switch``: a password, since Hub would take the same account again by itself. ``again``: the password of whoever is
    signed in. ``silent``: no question at all.
    """
    if "again" in words:
        return Asked("required", user_id=identity().user.id or None)
    if "switch" in words:
        return Asked("required")
    return Asked("silent", optional=True) if "silent" in words else AS_USUAL


def stop_loops(next: str | None) -> None:
    """Raise the page about loops where logins came back well three times, and still nobody is signed in."""
    if state().pending.tried(request.cookies).trips >= MOST_TRIPS:
        hub_login_failed.send(application(), code="HUB-105")
        raise LoginFailed("Signing in went round in circles.", hub_code="HUB-105", return_to=next)


def may_be_silent() -> bool:
    """Whether Hub may be asked in silence who this is: not where it gave nobody, somebody signed out, or in circles."""
    tried = state().pending.tried(request.cookies)
    return not tried.refused and tried.trips < MOST_TRIPS and state().oauth.may_ask()


def end_login() -> None:
    """Sign out here: the login is gone at once in every tab and worker, and with it what the session held."""
    handle = presented_handle()
    if handle is not None:
        # Where nobody was, nothing is cleared: any site can make a browser send such a form.
        state().keeper.end(handle, "logout")
        session.clear()
        # Who signs out and in again goes round no circle, and is not signed in again in silence.
        after_this_request(lambda response: _note(response, Tried(refused=has_optional_pages())))
    forget_identity()


def leave(next: str | None = None) -> Response:
    """Sign out here, and the answer that goes to `next`, an address already checked, else ``HUB_AFTER_LOGOUT``.

    With ``HUB_LOGOUT_FROM_HUB`` it goes by way of Hub. The login here is over before, so that it does not matter
    whether Hub answers.
    """
    end_login()
    hub = state()
    if hub.config.logout_from_hub == "required":
        # Hub ends its login, and asks for the next one (Hub documentation, "Implicit Flow").
        return begin_login(next, Asked("required"))
    after = next or site_path(hub.config.after_logout, hub.config)
    if hub.config.logout_from_hub == "rp":
        return redirect_to(hub.oauth.logout_url(hub.pending.leave(after)))
    return redirect_to(after)


def _note(response: Response, tried: Tried) -> Response:
    if tried != state().pending.tried(request.cookies):
        state().pending.note(response, tried)
        if not response.cache_control.no_store:
            response.headers["Cache-Control"] = "no-store, private"
    return response


def settle_trips(response: Response) -> None:
    """Take the count of round trips away once somebody is signed in, and comes back as such."""
    known = known_identity()
    # In the answer of the callback itself somebody is signed in too; whether their cookie is kept is not known yet.
    came_back = request.endpoint != "hub_auth.authorized"
    if came_back and known and known.user:
        _note(response, Tried())
