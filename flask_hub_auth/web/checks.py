"""What a callback says, and whether it can be believed."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from flask import request

from ..config import HUB_ID
from ..errors import (
    AccessDenied,
    AnotherPerson,
    HubProblem,
    HubProtocolError,
    HubRefused,
    HubUnavailable,
    LoginFailed,
    TokenRejected,
)
from ..hub import HubRest
from ..hub.openid import Claims
from ..model import HubToken, HubUser
from ..tokens.people import refusal_code
from .navigation import arguments
from .pending import Pending
from .state import state

WORDS: t.Final = ("state", "code", "iss", "error", "error_description", "error_uri")
NO_SECRET: t.Final = "HUB_SERVICE_SECRET is not set, and this service is no public client."
ROUNDED: t.Final = 2
"""Seconds by which a span may seem longer than it was: all times are whole seconds."""
SILENT_REFUSALS: t.Final = (
    "access_denied",
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
)
"""What Hub may say where it was asked in silence and would have to ask somebody. Its own word is not documented; the
others are those of OpenID Connect Core 1.0 section 3.1.2.6."""


@dataclass(frozen=True, slots=True)
class Found:
    """Who came back: the person, their token, and when they last entered a password as far as we know (else 0)."""

    user: HubUser
    token: HubToken
    authenticated_at: int


def answer_given() -> dict[str, str]:
    """Hub's answer in the query (RFC 6749 section 4.1.2), each parameter at most once."""
    given = arguments(request)
    if any(len(given.getlist(word)) > 1 for word in WORDS):
        raise LoginFailed("A parameter of the callback comes twice.")
    answer = {word: given.get(word, "") for word in WORDS}
    if not answer["state"] or bool(answer["code"]) == bool(answer["error"]):
        raise LoginFailed("A callback needs a state, and a code or an error.")
    return answer


def check_issuer(iss: str) -> None:
    """RFC 9207: an answer of another server must not be taken to this one."""
    if iss and not state().discovery.is_issuer(iss):
        raise LoginFailed("The callback names another issuer than this Hub.")


def refusal(error: str, description: str) -> HubProblem:
    """What an ``error`` of the authorization endpoint means here (RFC 6749 section 4.1.2.1)."""
    if error in SILENT_REFUSALS:
        return AccessDenied(f"Hub says {error}.", hub_code="HUB-110")
    if error in ("server_error", "temporarily_unavailable"):
        return HubUnavailable(f"Hub says {error}.")
    return HubRefused(error, description)


def found(code: str, pending: Pending) -> Found:
    """Who comes back with `code`, checked: they may sign in, and are who was asked for."""
    hub = state()
    token = _exchanged(code, pending)
    openid = hub.config.openid
    claims = hub.id_tokens.verify(token.id_token, nonce=pending.nonce, age=pending.age) if openid else None
    user = _read_user(token)
    if claims and claims.subject != user.id:
        raise HubProtocolError("The id token is about somebody else than users/me.")
    problem = refusal_code(user, hub.config.login_groups)
    if problem:
        raise AccessDenied(f"The user {user.id} may not sign in.", hub_code=problem)
    if pending.asked.user_id not in (None, user.id):
        raise AnotherPerson(f"The user {user.id} came back where {pending.asked.user_id} was asked for a password.")
    return Found(user, token, _authenticated_at(claims, pending))


def _exchanged(code: str, pending: Pending) -> HubToken:
    hub = state()
    try:
        return hub.oauth.exchange(code, redirect_uri=hub.config.redirect_uri, verifier=pending.verifier)
    except TokenRejected as refused:
        raise LoginFailed(f"Hub refuses the code: {refused.description}", hub_code="HUB-101") from None
    except HubRefused as refused:
        if refused.error == "invalid_client" and hub.config.service_secret is None:
            raise HubRefused(refused.error, refused.description, advice=NO_SECRET) from None
        raise


def _read_user(token: HubToken) -> HubUser:
    hub = state()
    try:
        return HubRest(hub.config.url, token.access_token, transport=hub.transport).me(hub.config.user_fields)
    except TokenRejected as refused:
        # The scope of an answer with OpenID Connect names no services.
        granted = None if hub.config.openid else token.scope.split()
        if HUB_ID in hub.config.scope and granted and HUB_ID not in granted:
            # Of a service that is not trusted people may grant less than it asks for.
            raise AccessDenied("The person granted no access to Hub itself.", hub_code="HUB-110") from None
        # A token that Hub has just given and does not take: Hub itself is missing in its scope.
        raise HubRefused("invalid_scope", "users/me refuses the new token; HUB_SCOPE needs Hub's own id") from refused


def _authenticated_at(claims: Claims | None, pending: Pending) -> int:
    """When a password was entered, by our clock; 0 where nobody can tell."""
    hub, now = state(), int(state().keeper.now())
    # Both times are of Hub's clock, which may be apart from ours.
    ago = claims.issued_at - claims.authenticated_at if claims and claims.authenticated_at is not None else None
    is_new = ago is not None and ago <= pending.age + ROUNDED
    if (pending.asked.credentials or hub.config.request_credentials) == "required" and (ago is None or is_new):
        return now
    if pending.asked.is_step_up:
        raise HubProtocolError("Hub was told to ask for a password, and says that it did not.")
    return 0 if ago is None else now - max(0, ago)
