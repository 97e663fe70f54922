"""What an authorization request asks for, and who is told when it is not in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from flask import Response, request
from werkzeug.datastructures import MultiDict

from .current import hub, raw_query
from .scopes import Scope, UnknownScope
from .services import Service

CREDENTIALS = ("default", "skip", "silent", "required", "silent_logout")

# The answer is for a script in the browser, and so no server is to see it.
FRAGMENT = ("token", "id_token")

# RFC 7636 section 4.1: the verifier, which ``plain`` sends as the challenge. A challenge of S256 fits it too.
CHALLENGE = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


class ErrorPage(Exception):
    """The request is not to be trusted with a redirect to the client: Hub shows a page of its own."""

    def __init__(self, error: str, description: str) -> None:
        self.error, self.description = error, description


class SendBack(Exception):
    """The client gets ``error``, in the query, or in the fragment where a token was asked for."""

    def __init__(self, request: Return, error: str, description: str) -> None:
        self.request, self.error, self.description = request, error, description


@dataclass(frozen=True, slots=True)
class Return:
    """Where the answer goes. ``redirect_uri`` is one of the service's own."""

    redirect_uri: str
    state: bytes | None
    fragment: bool

    def response(self, **fields: str | int | None) -> Response:
        """A redirect with the fields that are not None, ``state`` unchanged, and maybe ``iss`` (RFC 9207)."""
        every = {**fields, "state": self.state, "iss": hub.issuer if hub.options.iss else None}
        answer = {name: value for name, value in every.items() if value is not None}
        address = with_answer(self.redirect_uri, answer, fragment=self.fragment)
        headers = {"Location": address, "Cache-Control": "no-store"}
        return Response(status=hub.options.redirect_status, headers=headers)


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that is in order."""

    back: Return
    service: Service
    scope: Scope
    response_type: str
    credentials: str
    offline: bool
    challenge: str | None
    challenge_method: str
    force_consent: bool
    nonce: str | None
    max_age: int | None

    def refuse(self, error: str, description: str) -> SendBack:
        return SendBack(self.back, error, description)


def with_answer(uri: str, fields: Mapping[str, str | int | bytes], *, fragment: bool = False) -> str:
    """``uri`` with its own query, and these fields behind it."""
    mark = "#" if fragment else "&" if "?" in uri else "?"
    return f"{uri}{mark}{urlencode(fields, quote_via=quote)}" if fields else uri


def read_client(args: MultiDict[str, str]) -> tuple[Service, str]:
    """The service and its redirect URI. Raises ErrorPage; a URI that is not the service's is noted on it."""
    service, uri = _read_service(args), _once(args, "redirect_uri")
    if not uri:
        raise ErrorPage("invalid_redirect_uri", "Parameter 'redirect_uri' is required")
    return service, _own_uri(service, uri)


def read_logout(args: MultiDict[str, str]) -> str | None:
    """Where a person goes who was signed out for a service; None where that has no address at all.

    Nobody has written down which addresses Hub takes: here the service's own, by either name, else its first one.
    """
    service, _ = _read_service(args), _once(args, "state")
    state = _read_state()
    asked = _once(args, "post_logout_redirect_uri") or _once(args, "redirect_uri")
    uri = _own_uri(service, asked) if asked else next(iter(service.accepted_uris), None)
    return uri if uri is None or state is None else with_answer(uri, {"state": state})


def _once(args: MultiDict[str, str], name: str) -> str | None:
    if len(args.getlist(name)) > 1:
        raise ErrorPage("invalid_request", f"Parameter '{name}' is passed more than once")
    return args.get(name)


def _read_state() -> bytes | None:
    """The one ``state``, as bytes: what a client puts there need not be text."""
    pairs = parse_qsl(raw_query(), keep_blank_values=True, encoding="latin-1")
    states = [value.encode("latin-1") for name, value in pairs if name == "state"]
    return states[0] if len(states) == 1 else None


def _read_service(args: MultiDict[str, str]) -> Service:
    service_id = _once(args, "client_id")
    if not service_id:
        raise ErrorPage("invalid_request", "Parameter 'client_id' is required")
    service = hub.people.services.get(service_id)
    if service is None:
        raise ErrorPage("invalid_request", f'Service with id "{service_id}" was not found')
    return service


def _own_uri(service: Service, uri: str) -> str:
    if uri not in service.accepted_uris:
        service.note_untrusted(uri, request.remote_addr or "", hub.clock())
        raise ErrorPage("invalid_redirect_uri", f"Redirect URI {uri} is not registered for the service {service.name}")
    return uri


def read(args: MultiDict[str, str]) -> Asked:
    """Raises ErrorPage or SendBack for what is wrong with an authorization request."""
    service, uri = read_client(args)
    back = Return(uri, _read_state(), args.get("response_type") in FRAGMENT)
    for name in args:
        if len(args.getlist(name)) > 1:
            raise SendBack(back, "invalid_request", f"Parameter '{name}' is passed more than once")
    # RFC 6749 section 3.1: a parameter without a value counts as left out.
    args = MultiDict((name, value) for name, value in args.items() if value)
    _check_response_type(args, service, back)
    access_type = args.get("access_type", "online")
    if access_type not in ("online", "offline"):
        raise SendBack(back, "invalid_request", "Parameter 'access_type' is none of online, offline")
    _check_challenge(args, service, back)
    scope = _read_scope(args, back)
    _check_openid(args, scope, back)
    return Asked(
        back=back,
        service=service,
        scope=scope,
        response_type=args["response_type"],
        credentials=_read_credentials(args, back),
        offline=access_type == "offline" or "offline_access" in scope,
        challenge=args.get("code_challenge") if hub.options.pkce else None,
        challenge_method=args.get("code_challenge_method", "plain"),
        force_consent=args.get("approval_prompt") == "force",
        nonce=args.get("nonce"),
        max_age=_read_max_age(args, back),
    )


def _check_response_type(args: MultiDict[str, str], service: Service, back: Return) -> None:
    allowed = {"code": service.auth_code_flow, "token": service.implicit_flow}
    if hub.options.openid:
        allowed["id_token"] = service.implicit_flow
    response_type = args.get("response_type")
    if not response_type:
        raise SendBack(back, "invalid_request", "Parameter 'response_type' is required")
    if response_type not in allowed:
        raise SendBack(
            back,
            "unsupported_response_type",
            "The authorization server does not support obtaining an authorization entity using this method",
        )
    if not allowed[response_type]:
        raise SendBack(back, "response_type_not_allowed", f"The service {service.name} does not allow this flow")


def _read_credentials(args: MultiDict[str, str], back: Return) -> str:
    """One of CREDENTIALS, or ``none``, which is OpenID Connect's ``prompt``: as ``silent``, but never the guest.

    What Hub makes of ``prompt`` is not written down; ``login``, which YouTrack Mobile sends, is taken for ``required``.
    """
    credentials, prompt = args.get("request_credentials", "default"), args.get("prompt", "").split()
    if credentials not in CREDENTIALS:
        raise SendBack(back, "invalid_request", "Parameter 'request_credentials' is none of " + ", ".join(CREDENTIALS))
    if not hub.options.prompt:
        return credentials
    if "none" in prompt:
        return "none"
    return "required" if "login" in prompt else credentials


def _read_max_age(args: MultiDict[str, str], back: Return) -> int | None:
    text = args.get("max_age", "")
    if not text or not hub.options.max_age:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise SendBack(back, "invalid_request", "Parameter 'max_age' is no number of seconds")
    return int(text[:9])


def _check_openid(args: MultiDict[str, str], scope: Scope, back: Return) -> None:
    """OpenID Connect Core section 3.2.2.1: who asks for an id token alone has to say so, with a nonce."""
    if args["response_type"] != "id_token":
        return
    if "openid" not in scope:
        raise SendBack(back, "invalid_scope", "Scope openid is required")
    if not args.get("nonce"):
        raise SendBack(back, "invalid_request", "Parameter 'nonce' is required")


def _check_challenge(args: MultiDict[str, str], service: Service, back: Return) -> None:
    if not hub.options.pkce:
        return
    challenge = args.get("code_challenge")
    if challenge is None:
        if "code_challenge_method" in args:
            raise SendBack(back, "invalid_request", "Parameter 'code_challenge' is required")
        if args["response_type"] == "code" and (service.pkce_required or service.secret is None):
            raise SendBack(back, "invalid_request", "Parameter 'code_challenge' is required")
        return
    if args.get("code_challenge_method", "plain") not in ("plain", "S256"):
        raise SendBack(back, "invalid_request", "Parameter 'code_challenge_method' is none of plain, S256")
    if not CHALLENGE.fullmatch(challenge):
        raise SendBack(back, "invalid_request", "Parameter 'code_challenge' is not 43 to 128 unreserved characters")


def _read_scope(args: MultiDict[str, str], back: Return) -> Scope:
    if not args.get("scope", "").strip():
        raise SendBack(back, "invalid_request", "Parameter 'scope' is required")
    try:
        return hub.read_scope(args["scope"])
    except UnknownScope as unknown:
        raise SendBack(back, "invalid_scope", f"Scope {unknown} doesn't match any Service") from None
