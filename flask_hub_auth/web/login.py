"""How a login begins, and how it is completed when it comes back from Hub."""

from __future__ import annotations

import typing as t

from flask import Response, after_this_request, request, session

from ..config import HUB_ID
from ..errors import AccessDenied, HubProblem, HubRefused, HubUnavailable, LoginFailed, TokenRejected, log
from ..hub import HubRest
from ..model import HubToken, HubUser
from ..pages import PAGE_HEADERS
from ..tokens.people import refusal_code
from .addresses import login_address, on_this_site, site_path
from .identity import forget_identity, identity, keep_handle, known_identity, presented_handle
from .navigation import arguments, can_navigate, is_foreign_host
from .pending import GOOD_SECONDS, Pending
from .signals import hub_logged_in, hub_logged_out, hub_login_failed
from .state import application, state

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


def begin_login(next: str | None, *, credentials: str | None = None) -> Response:
    """302 to Hub, and the cookie of a pending login that comes back to `next`, an address already checked.

    A page opened under another host name than the public one is first sent there, since cookies would not come back. If
    that ends under a foreign name again, a proxy rewrites it, and the login begins all the same.
    """
    hub = state()
    if "canonical" not in arguments(request) and can_navigate(request) and is_foreign_host(request, hub.config):
        base = hub.config.service_url.removesuffix(site_path("", hub.config))
        asks = {"switch": "1"} if credentials == "required" else {}
        return redirect_to(base + login_address(next, hub.config, canonical="1", **asks))
    pending = hub.pending.begin(next or site_path(hub.config.after_login, hub.config))
    response = redirect_to(
        hub.oauth.authorization_url(
            redirect_uri=hub.config.redirect_uri,
            state=pending.state,
            verifier=pending.verifier,
            scope=hub.config.scope,
            offline=hub.config.offline,
            request_credentials=credentials or hub.config.request_credentials,
        )
    )
    hub.pending.remember(response, request.cookies, pending)
    return response


def stop_loops(next: str | None) -> None:
    """Raise the page about loops where logins came back well three times, and still nobody is signed in."""
    if state().pending.tried(request.cookies) >= MOST_TRIPS:
        raise LoginFailed("Signing in went round in circles.", hub_code="HUB-105", return_to=next)


def complete_login() -> Response:
    """The answer to a callback: somebody is signed in, or a problem is raised that says why not.

    State first: signed, young, and this browser's; then used once, over all processes; only then what Hub says.
    """
    hub = state()
    answer = _answer()
    pending = hub.pending.find(request.cookies, answer["state"])
    if pending is None or pending.is_old:
        return _stale(answer["state"], pending)
    try:
        if not hub.keeper.logins.claim_state(pending.state, GOOD_SECONDS):
            return _stale(answer["state"], pending)
        after_this_request(lambda response: _forget(response, pending.state))
        token, user = _asked(answer, pending)
        _sign_in(user, token)
    except HubProblem as problem:
        problem.return_to = problem.return_to or pending.next
        _tell_failed(problem)
        raise
    response = redirect_to(pending.next)
    hub.pending.count(response, hub.pending.tried(request.cookies) + 1)
    return response


def end_login() -> None:
    """Sign out here: the login is gone at once in every tab and worker, and with it what the session held."""
    handle = presented_handle()
    if handle is not None:
        # Where nobody was, nothing is cleared: any site can make a browser send such a form.
        state().keeper.end(handle, "logout")
        session.clear()
        # Who signs out and in again goes round no circle.
        after_this_request(_forget_trips)
    forget_identity()


def _answer() -> dict[str, str]:
    """Hub's answer in the query (RFC 6749 section 4.1.2), each parameter at most once."""
    words = ("state", "code", "iss", "error", "error_description", "error_uri")
    given = arguments(request)
    if any(len(given.getlist(word)) > 1 for word in words):
        raise LoginFailed("A parameter of the callback comes twice.")
    answer = {word: given.get(word, "") for word in words}
    if not answer["state"] or bool(answer["code"]) == bool(answer["error"]):
        raise LoginFailed("A callback needs a state, and a code or an error.")
    return answer


def _stale(state_given: str, pending: Pending | None) -> Response:
    """The answer to a callback whose login is not there any more, or never was."""
    hub = state()
    started_at_hub = None if pending else on_this_site(state_given, hub.config)
    if started_at_hub:
        # Hub can begin a login itself; its state is then a page of ours. Its code is dropped: we begin one of our own.
        return begin_login(started_at_hub)
    if identity().user:
        return redirect_to(site_path(hub.config.after_login, hub.config))
    problem = LoginFailed(
        "The callback belongs to no pending login of this browser.",
        hub_code=_stale_code(state_given, pending),
        return_to=pending.next if pending else None,
    )
    _tell_failed(problem)
    raise problem


def _stale_code(state_given: str, pending: Pending | None) -> str:
    if pending and pending.is_old:
        return "HUB-101"
    if pending or state().keeper.logins.was_claimed(state_given):
        return "HUB-103"
    return "HUB-102" if request.cookies else "HUB-104"


def _asked(answer: dict[str, str], pending: Pending) -> tuple[HubToken, HubUser]:
    """The token and the person that Hub gives for `answer`."""
    hub = state()
    if answer["iss"] not in ("", hub.config.url) and answer["iss"] != hub.discovery.issuer():
        # RFC 9207: an answer of another server must not be taken to this one.
        raise LoginFailed("The callback names another issuer than this Hub.")
    if answer["error"]:
        raise _refusal(answer["error"], answer["error_description"])
    try:
        token = hub.oauth.exchange(answer["code"], redirect_uri=hub.config.redirect_uri, verifier=pending.verifier)
    except TokenRejected as refusal:
        raise LoginFailed(f"Hub refuses the code: {refusal.description}", hub_code="HUB-101") from None
    try:
        rest = HubRest(hub.config.url, token.access_token, transport=hub.transport)
        return token, rest.me(hub.config.user_fields)
    except TokenRejected as refusal:
        if HUB_ID in hub.config.scope and token.scope and HUB_ID not in token.scope.split():
            # Of a service that is not trusted people may grant less than it asks for.
            raise AccessDenied("The person granted no access to Hub itself.", hub_code="HUB-110") from None
        # A token that Hub has just given and does not take: Hub itself is missing in its scope.
        raise HubRefused("invalid_scope", "users/me refuses the new token; HUB_SCOPE needs Hub's own id") from refusal


def _refusal(error: str, description: str) -> HubProblem:
    """What an ``error`` of the authorization endpoint means here (RFC 6749 section 4.1.2.1)."""
    if error == "access_denied":
        return AccessDenied("Hub says access_denied.", hub_code="HUB-110")
    if error in ("server_error", "temporarily_unavailable"):
        return HubUnavailable(f"Hub says {error}.")
    return HubRefused(error, description)


def _sign_in(user: HubUser, token: HubToken) -> None:
    """Keep the login of `user` under a new handle, in place of whatever login was there."""
    hub = state()
    code = refusal_code(user, hub.config.login_groups)
    if code:
        raise AccessDenied(f"The user {user.id} may not sign in.", hub_code=code)
    hub_logged_in.send(application(), user=user)
    handle = hub.keeper.begin(user, token)
    _replace(presented_handle(), user)
    keep_handle(handle)
    forget_identity()
    log.info("login ok: user=%s", user.id)


def _replace(old: bytes | None, user: HubUser) -> None:
    """Drop the login that was there; another person's leaves nothing of the application's session either."""
    if old is None:
        return
    former = state().keeper.logins.remove(old)
    if former is None or former.user.id != user.id:
        session.clear()
    if former is not None and not former.ended:
        hub_logged_out.send(application(), user_id=former.user.id, reason="ended")


def _forget(response: Response, pending_state: str) -> Response:
    state().pending.forget(response, pending_state)
    return response


def _tell_failed(problem: HubProblem) -> None:
    hub_login_failed.send(application(), code=problem.hub_code)


def _forget_trips(response: Response) -> Response:
    if state().pending.tried(request.cookies):
        state().pending.count(response, 0)
    return response


def settle_trips(response: Response) -> None:
    """Take the count of round trips away once somebody is signed in, and comes back as such."""
    known = known_identity()
    # In the answer of the callback itself somebody is signed in too; whether their cookie is kept is not known yet.
    came_back = request.endpoint != "hub_auth.authorized"
    if came_back and known and known.user:
        _forget_trips(response)
