"""``/oauth2/token``: the token endpoint.

Written by hand: nearly every status and text of Hub's differs from what an OAuth library answers, and the extension's
client is such a library already.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Any, NoReturn
from urllib.parse import unquote_plus

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import MultiDict

from .current import hub
from .faults import FAULT, Fault
from .issuing import id_token_for
from .scopes import Scope, UnknownScope, default_scope
from .services import Service
from .tokens import Code, Grant

grants = Blueprint("grants", __name__, url_prefix="/api/rest/oauth2")

VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")

# Where Hub's own library of 2015 pointed at.
ERROR_PAGE = "http://confluence.jetbrains.com/display/HUBD/OAuth+2.0+Errors#token."


class Refusal(Exception):
    """An error answer of the token endpoint, in the fields of Hub's own library."""

    def __init__(self, status: int, error: str, description: str) -> None:
        self.status, self.error, self.description = status, error, description

    def response(self) -> Response:
        body: dict[str, Any] = {
            "error": self.error,
            "error_code": self.status,
            "error_description": self.description,
            "error_developer_message": self.description,
        }
        if hub.options.error_uri:
            body["error_uri"] = ERROR_PAGE + self.error
        response = jsonify(body)
        response.status_code = self.status
        return response


def refuse(description: str) -> NoReturn:
    """``invalid_grant``: 403 in Hub's library 1.0.41, 400 in RFC 6749 section 5.2; the Hub's option decides."""
    raise Refusal(hub.invalid_grant_status, "invalid_grant", description)


@grants.post("/token")
def token() -> Response:
    """200 with a token, or Hub's words for what is wrong."""
    try:
        response = jsonify(_grant(_parameters()))
    except Refusal as refusal:
        response = refusal.response()
    if hub.options.no_store:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Pragma"] = "no-cache"
    return response


def _parameters() -> MultiDict[str, str]:
    """Form and query together: older clients of JetBrains' own sent a query.

    RFC 6749 section 3.2: a parameter without a value counts as left out.
    """
    parameters = MultiDict([*request.form.items(multi=True), *request.args.items(multi=True)])
    for name in parameters:
        if len(parameters.getlist(name)) > 1:
            raise Refusal(400, "invalid_request", f"Parameter '{name}' is passed more than once")
    return MultiDict((name, value) for name, value in parameters.items() if value)


def _required(parameters: MultiDict[str, str], name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise Refusal(400, "invalid_request", f"Parameter '{name}' is required")
    return value


def _grant(parameters: MultiDict[str, str]) -> dict[str, Any]:
    answers = {
        "authorization_code": _authorization_code,
        "refresh_token": _refresh_token,
        "client_credentials": _client_credentials,
        "password": _password,
    }
    answer = answers.get(_required(parameters, "grant_type"))
    if answer is None:
        raise Refusal(
            400, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server"
        )
    return answer(parameters, Client(parameters))


class Client:
    """Who is asking: known by id from the start, proven by ``authenticate``.

    Two steps, since Hub looks at a refresh token before it looks at the secret.
    """

    def __init__(self, parameters: MultiDict[str, str]) -> None:
        header = request.headers.get("Authorization")
        self._pairs = [(parameters.get("client_id"), parameters.get("client_secret"))]
        if header is not None:
            self._pairs = _basic_pairs(header)
            if parameters.get("client_id") not in (None, *(service_id for service_id, _ in self._pairs)):
                raise Refusal(400, "invalid_request", "Parameter 'client_id' is not the one of the header")
            if "client_secret" in parameters:
                # RFC 6749 section 2.3: one method per request.
                raise Refusal(400, "invalid_request", "Service secret is passed in the header and as a parameter")
        service_id = self._pairs[0][0]
        if not service_id:
            raise Refusal(401, "invalid_client", "Authorization header was not passed")
        known = (hub.people.services.get(service_id or "") for service_id, _ in self._pairs)
        service = next((service for service in known if service), None)
        if service is None:
            raise Refusal(401, "invalid_client", f'Service with id "{service_id}" was not found')
        self.service: Service = service

    def authenticate(self, *, pkce: bool = False) -> None:
        """Raises Refusal. ``pkce`` says that the code was asked for with a challenge.

        Trusted services must send their secret; others may leave it out if they use PKCE.
        """
        secrets = [secret for service_id, secret in self._pairs if service_id == self.service.id and secret]
        if any(self.service.has_secret(secret) for secret in secrets):
            return
        if secrets:
            refuse("Invalid service secret")
        if not pkce or (self.service.trusted and self.service.secret is not None):
            raise Refusal(401, "invalid_client", "Authorization header was not passed")

    def must_be_allowed(self, flow: bool) -> None:
        """Raises Refusal where this flow is switched off for the service."""
        if not flow:
            raise Refusal(
                hub.options.disabled_grant_status,
                "unauthorized_client",
                "The authenticated client is not authorized to use this authorization grant type",
            )


def _basic_pairs(header: str) -> list[tuple[str | None, str | None]]:
    """Id and secret as they are, as Hub documents it, or URL-decoded, as RFC 6749 section 2.3.1 has it."""
    scheme, _, value = header.partition(" ")
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    if scheme.lower() != "basic" or ":" not in text:
        raise Refusal(401, "invalid_client", "Invalid authorization header")
    service_id, _, secret = text.partition(":")
    pairs: dict[str, list[tuple[str | None, str | None]]]
    raw, encoded = (service_id, secret), (unquote_plus(service_id), unquote_plus(secret))
    pairs = {"raw": [raw], "encoded": [encoded], "either": [raw, encoded]}
    return pairs[hub.options.basic]


def _authorization_code(parameters: MultiDict[str, str], client: Client) -> dict[str, Any]:
    value = _required(parameters, "code")
    redirect_uri = _required(parameters, "redirect_uri")
    code = hub.store.code(value)
    # Of a code that nobody has Hub cannot know how it was asked for; a verifier says so.
    client.authenticate(pkce=code.grant.pkce if code else "code_verifier" in parameters)
    client.must_be_allowed(client.service.auth_code_flow)
    if code is None:
        refuse("Unknown authorization code")
    if code.grant.service_id != client.service.id:
        refuse("Invalid authorization code")
    if code.used:
        # RFC 6749 section 4.1.2: what it gave is revoked, since one of the two is not who they should be.
        code.grant.revoked = True
        refuse("Invalid authorization code")
    code.used = True
    if hub.clock() > code.expires_at or code.grant.revoked or redirect_uri != code.redirect_uri:
        refuse("Invalid authorization code")
    _check_verifier(code, parameters.get("code_verifier"))
    return _answer(code.grant)


def _check_verifier(code: Code, verifier: str | None) -> None:
    """RFC 7636 section 4.6; a verifier without a challenge is refused too (RFC 9700 section 4.8, PKCE downgrade)."""
    if not hub.options.pkce or (code.challenge is None and verifier is None):
        return
    if code.challenge is None or verifier is None or not VERIFIER.fullmatch(verifier):
        refuse("Invalid code verifier")
    if code.challenge_method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if not hmac.compare_digest(verifier, code.challenge):
        refuse("Invalid code verifier")


def _refresh_token(parameters: MultiDict[str, str], client: Client) -> dict[str, Any]:
    token = hub.store.refresh(_required(parameters, "refresh_token"))
    # Before the secret: a bad token with a wrong secret is answered as a bad token.
    if token is None:
        refuse("Unknown refresh token")
    grant = token.grant
    if grant.service_id != client.service.id:
        refuse("Refresh token is issued to another client")
    client.authenticate(pkce=grant.pkce)
    if token.replaced:
        # RFC 9700 section 4.14.2: who brings an old one back may be a thief, so the whole family goes.
        grant.revoked = True
    if grant.revoked:
        refuse("Token is invalid, expired, revoked or was issued to another client")
    owner = hub.people.user_by_id(grant.user_id or "")
    if owner is None or owner.banned:
        refuse("The owner of the refresh token is banned")
    scope = _narrowed(grant, parameters.get("scope"))
    token.replaced = hub.rotate and not hub.options.keeps_replaced
    return _answer(grant, refresh_token=hub.rotate, scope=scope, id_token=hub.options.refresh_gives_id_token)


def _narrowed(grant: Grant, text: str | None) -> Scope:
    """The scope of the new access token: all of the grant's, or a part.

    Of an OpenID grant the services are no part: sending them again is refused, as a production Hub was seen to do.
    """
    if not text:
        return grant.scope
    scope = _scope(text)
    allowed = () if "openid" in grant.scope else grant.scope.services
    words = {entry for entry in scope.entries if entry[1] is None}
    if not set(scope.services) <= set(allowed) or not words <= set(grant.scope.entries):
        refuse("Requested scope does not match allowed by access token")
    return scope if scope.services else grant.scope


def _client_credentials(parameters: MultiDict[str, str], client: Client) -> dict[str, Any]:
    client.authenticate()
    client.must_be_allowed(client.service.client_credentials_flow)
    if not client.service.trusted:
        raise Refusal(hub.options.disabled_grant_status, "unauthorized_client", "Service is not verified")
    text = parameters.get("scope")
    return _answer(Grant(None, client.service.id, _scope(text) if text else default_scope(client.service.id)))


def _password(parameters: MultiDict[str, str], client: Client) -> dict[str, Any]:
    username, password = _required(parameters, "username"), _required(parameters, "password")
    scope = _scope(_required(parameters, "scope"))
    access_type = parameters.get("access_type", "online")
    if access_type not in ("online", "offline"):
        raise Refusal(400, "invalid_request", "Parameter 'access_type' is none of online, offline")
    client.authenticate()
    client.must_be_allowed(client.service.resource_owner_flow)
    user = hub.people.users.get(username)
    if user is None or user.banned or not user.has_password(password):
        refuse("Invalid resource owner credentials")
    grant = Grant(user.id, client.service.id, scope, access_type == "offline", auth_time=int(hub.clock()))
    return _answer(grant)


def _answer(grant: Grant, **parts: Any) -> dict[str, Any]:
    answer = hub.answer(grant, **parts)
    fault: Fault | None = request.environ.get(FAULT)
    if "id_token" not in answer or fault is None or fault.id_token is None:
        return answer
    if fault.id_token == "missing":
        del answer["id_token"]
        return answer
    return {**answer, "id_token": id_token_for(hub, grant, access_token=answer["access_token"], wrong=fault.id_token)}


def _scope(text: str) -> Scope:
    try:
        return hub.read_scope(text)
    except UnknownScope as unknown:
        raise Refusal(400, "invalid_scope", f"Scope {unknown} doesn't match any Service") from None
