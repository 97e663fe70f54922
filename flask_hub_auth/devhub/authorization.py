"""``/oauth2/auth``: the authorization endpoint, and the forms that people answer on the way."""

from __future__ import annotations

import hmac
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, abort, jsonify, request

from . import pages
from .asked import Asked, ErrorPage, SendBack, read, read_logout
from .current import here, hub, parsed_query, raw_query
from .issuing import id_token_for
from .people import User
from .scopes import Scope
from .sessions import Session
from .tokens import Grant

# The text of Hub's library 1.0.41.
DENIED = "The resource owner or authorization server denied the request"

authorization = Blueprint("authorization", __name__, url_prefix="/api/rest/oauth2")


@authorization.app_errorhandler(ErrorPage)
def show_error(error: ErrorPage) -> Response:
    """303 to Hub's own page, with the request's query and the error behind it."""
    query = urlencode({"error": error.error, "error_description": error.description}, quote_via=quote)
    return _see(here("pages.error", "&".join(part for part in (raw_query(), query) if part)))


@authorization.app_errorhandler(SendBack)
def send_back(error: SendBack) -> Response:
    """302 to the client, which is told what was wrong."""
    return error.request.response(error=error.error, error_description=error.description)


@authorization.get("/auth")
def authorize() -> Response:
    """302 to the client when everything is clear, 303 to a page of Hub's when a person has to say something."""
    asked = read(request.args)
    session = hub.sessions.find(request)
    if asked.credentials == "silent_logout":
        return _signed_out(asked.back.response())
    if asked.credentials == "required" and not (session and session.fresh_login == parsed_query()):
        return _signed_out(_see(here("pages.login", raw_query())))
    if session is None or _is_too_old(asked, session):
        return _without_session(asked, stranger=session is None)
    if session.user.banned:
        return _signed_out(
            asked.back.response(error="access_denied", error_description=f"User {session.user.login} is banned")
        )
    return _as_person(asked, session)


def _is_too_old(asked: Asked, session: Session) -> bool:
    """Whether the password of this session was given longer ago than ``max_age``, and not for this request."""
    if asked.max_age is None or session.fresh_login == parsed_query():
        return False
    return hub.clock() - session.signed_in_at > asked.max_age or asked.max_age == 0


def _without_session(asked: Asked, *, stranger: bool) -> Response:
    """What ``request_credentials`` says about somebody who is not signed in, or was so too long ago."""
    guest = hub.people.users["guest"]
    if stranger and asked.credentials in ("skip", "silent") and not guest.banned:
        return _granted(asked, guest, asked.scope)
    if asked.credentials in ("silent", "none"):
        raise asked.refuse(hub.options.silent_error, DENIED)
    return _see(here("pages.login", raw_query()))


def _as_person(asked: Asked, session: Session) -> Response:
    scope = asked.scope
    if asked.force_consent or (asked.service.consent_required and not asked.service.trusted):
        answers = session.user.approved.get(asked.service.id, {})
        confirmed = session.fresh_consent == parsed_query()
        if not answers.keys() >= set(scope.wants_consent) or (asked.force_consent and not confirmed):
            if asked.credentials in ("silent", "none"):
                raise asked.refuse(hub.options.silent_error, DENIED)
            return _see(here("pages.consent", raw_query()))
        # What was approved may be less than what is asked for.
        scope = scope.only({service for service, yes in answers.items() if yes})
    if asked.scope.services and not scope.services:
        raise asked.refuse("access_denied", DENIED)
    session.fresh_login = session.fresh_consent = None
    return _granted(asked, session.user, scope, session.signed_in_at)


def _granted(asked: Asked, user: User, scope: Scope, signed_in_at: float | None = None) -> Response:
    grant = Grant(
        user.id,
        asked.service.id,
        scope,
        asked.offline,
        pkce=asked.challenge is not None,
        nonce=asked.nonce,
        auth_time=None if signed_in_at is None else int(signed_in_at),
    )
    if asked.response_type == "id_token":
        return asked.back.response(id_token=id_token_for(hub, grant))
    if asked.response_type == "token":
        # No refresh token, whatever was asked.
        return asked.back.response(**hub.answer(grant, refresh_token=False, id_token=False))
    code = hub.store.code_for(
        grant, redirect_uri=asked.back.redirect_uri, challenge=asked.challenge, challenge_method=asked.challenge_method
    )
    return asked.back.response(code=code)


@authorization.get("/logout")
def logout() -> Response:
    """Signs out, and goes back to the service that asked: what OpenID Connect calls RP-initiated logout."""
    if not hub.options.rp_logout:
        abort(404)
    return _signed_out(_see(read_logout(request.args) or here("pages.home")))


@authorization.get("/interactive/login/settings")
def interactive_login_settings() -> Response:
    """What login dialogs say about the service. Hub's answer for an unknown one is not written down."""
    service = hub.people.services.get(request.args.get("client_id", ""))
    if service is None:
        abort(404)
    return jsonify({"serviceName": service.name, "iconUrl": service.about.get("iconUrl")})


@authorization.post("/interactive/login")
def interactive_login() -> Response:
    """What the login form is sent to, without a CSRF field: recorded clients send none.

    303 back to the authorization endpoint with the same query, or to Hub's home page where nobody asked.
    """
    asked = read(request.args) if request.args else None
    user = hub.people.users.get(request.form.get("username", "").strip())
    if user is None or not user.has_password(request.form.get("password", "")):
        # 200 as on any page: browsers log a 401 on their console as an error.
        return pages.login_page(asked, wrong=True)
    remember = "rememberMe" in request.form or request.args.get("rememberMe") == "true"
    response = _see(here("authorization.authorize", raw_query()) if asked else here("pages.home"))
    session = hub.sessions.begin(request, response, user, remember=remember)
    session.fresh_login = parsed_query()
    return response


@authorization.post("/interactive/consent")
def interactive_consent() -> Response:
    """What the consent form is sent to: ``decision`` is approve or refuse, ``service`` the ids that were ticked.

    The path is ours; Hub's is not written down. Approving no service is refusing, which is not remembered.
    The words of OpenID Connect, which may be all that is asked for, are not to be ticked one by one.
    """
    asked = read(request.args)
    session = hub.sessions.find(request)
    if session is None:
        return _see(here("pages.login", raw_query()))
    check_csrf(session)
    services, words = asked.scope.services, asked.scope.words
    approved = set(request.form.getlist("service")) & set(services)
    if request.form.get("decision") != "approve" or (services and not approved):
        raise asked.refuse("access_denied", DENIED)
    answers = session.user.approved.setdefault(asked.service.id, {})
    answers.update({service: service in approved for service in services} | dict.fromkeys(words, True))
    session.fresh_consent = parsed_query()
    return _see(here("authorization.authorize", raw_query()))


@authorization.post("/interactive/logout")
def interactive_logout() -> Response:
    """The button on Hub's home page."""
    session = hub.sessions.find(request)
    if session:
        check_csrf(session)
    return _signed_out(_see(here("pages.home")))


def check_csrf(session: Session) -> None:
    """Answers 403 to a form that did not come from a page of this session."""
    if not hmac.compare_digest(request.form.get("csrf_token", "").encode(), session.csrf_token.encode()):
        abort(403, "This form is too old, or was not made by this Hub. Go back, reload the page and try again.")


def _signed_out(response: Response) -> Response:
    hub.sessions.end(request, response)
    return response


def _see(address: str) -> Response:
    return Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})
