"""HubAuth: gives an application its login with Hub."""

from __future__ import annotations

import io
import time
import typing as t
import weakref
from datetime import timedelta
from functools import partial

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    has_app_context,
    has_request_context,
    request,
    request_started,
)
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from .assembly import assembled, checked, close_cookies, hide_secrets, warn_of_debug
from .config import HUB_ID
from .errors import HubConfigError, LoginRequired
from .model import HubSession
from .tokens.client import PresentedToken, ServiceClient, TokenSource, UserTokens
from .tokens.sessions import end_sessions, sessions_of
from .web.addresses import MOUNTED, as_sent, safe_address, style_url
from .web.admission import check_login
from .web.answers import Preparation, finish, make_personal
from .web.guards import check_everything
from .web.identity import (
    csrf_token,
    current_hub_user,
    forget_identity,
    handle_of,
    identity,
    known_identity,
    make_ticket,
    presented_handle,
)
from .web.login import begin_login, leave, may_be_silent, stop_loops
from .web.pending import Asked
from .web.state import EXTENSION, patience, state
from .web.views import blueprint

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from requests import Session

Credentials = t.Literal["default", "skip", "silent", "required"]


class HubAuth:
    """Login with JetBrains Hub for one or more applications.

    :param app: the application, or None to call :meth:`init_app` later
    :param clock: epoch seconds; for tests
    :param http: the session that speaks to Hub; for tests
    """

    def __init__(
        self, app: Flask | None = None, *, clock: t.Callable[[], float] | None = None, http: Session | None = None
    ) -> None:
        self._clock = clock
        self._http = http
        # Only to know which application a guarded WSGI app belongs to; nothing of an application is kept here.
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Check the settings of `app` and wire it to its Hub.

        Reads ``SECRET_KEY``, ``SECRET_KEY_FALLBACKS`` and every ``HUB_*`` setting, once. Required are ``HUB_URL``,
        ``HUB_SERVICE_ID``, and outside debug and testing ``HUB_SERVICE_URL``.

        :raises HubConfigError: naming every problem at once, with its value and what to do
        """
        if EXTENSION in app.extensions:
            raise HubConfigError(
                f"The application '{app.name}' already has a HubAuth. Call HubAuth(app) or init_app(app) once;"
                " for another Hub make another application."
            )
        config = checked(app)
        close_cookies(app, config)
        hide_secrets(app)
        warn_of_debug(app, config)
        app.extensions[EXTENSION] = assembled(app, config, self._clock or _now, self._http)
        host = as_sent(config.service_url) if app.url_map.host_matching else None
        app.register_blueprint(blueprint(config, host=host))
        known = {"current_hub_user": current_hub_user, "hub_csrf_token": csrf_token, "hub_style_url": style_url(config)}
        app.context_processor(lambda: known)
        request_started.connect(Preparation(config), app, weak=False)
        app.after_request(finish)
        if config.protect_all:
            self.protect(app)
        self._apps.add(app)

    def protect(self, app_or_blueprint: Flask | Blueprint) -> None:
        """Guard every endpoint that is not ``@hub_public``; of a blueprint before it is registered.

        What is protected already stays so: a factory may call this for a blueprint of a module each time.

        :raises HubConfigError: it is registered already, or has answered, so that a guard would have no effect
        """
        if check_everything in app_or_blueprint.before_request_funcs.get(None, ()):
            return
        try:
            app_or_blueprint.before_request(check_everything)
        except AssertionError:
            # Flask's own, whose text names `before_request` and not this method.
            raise HubConfigError(_too_late(app_or_blueprint)) from None
        # First of all, so that nothing else that runs before the views answers instead.
        functions = app_or_blueprint.before_request_funcs[None]
        functions.insert(0, functions.pop())

    def guard(self, wsgi_app: WSGIApplication) -> WSGIApplication:
        """A WSGI application that only people reach who are signed in.

        For what is mounted beside the views, such as ``DispatcherMiddleware(app.wsgi_app, {"/m": hub.guard(other)})``.
        """

        def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> t.Iterable[bytes]:
            app = self._app()
            own = {**environ, MOUNTED: True}
            if "HTTP_AUTHORIZATION" in environ and "urlencoded" in environ.get("CONTENT_TYPE", ""):
                # A form beside a token is looked into; the mounted application wants to read it too.
                body = app.request_class(environ, populate_request=False).get_data()
                environ["wsgi.input"], own["wsgi.input"] = io.BytesIO(body), io.BytesIO(body)
            with app.request_context(own):
                try:
                    Preparation(state().config)(app)
                    answer = check_login()
                except HTTPException as problem:
                    answer = t.cast(Response, problem.get_response(request.environ))
                if answer is not None:
                    return app.process_response(answer)(request.environ, start_response)
                who, ours = identity(), finish(Response())

            def start(status: str, headers: list[tuple[str, str]], *error: t.Any) -> t.Callable[[bytes], object]:
                response = Response()
                response.headers = Headers(headers)
                for cookie in ours.headers.getlist("Set-Cookie"):
                    response.headers.add("Set-Cookie", cookie)
                    response.headers["Cache-Control"] = ours.headers["Cache-Control"]
                has_cookie = "Set-Cookie" in response.headers
                make_personal(response, who, environ.get("PATH_INFO", ""), sets_cookie=has_cookie)
                return start_response(status, response.headers.to_wsgi_list(), *error)

            return wsgi_app(environ, start)

        return guarded

    def login(self, next: str | None = None, credentials: Credentials | None = None) -> Response:
        """The answer that begins a login and comes back to `next`, a path of this site (else ``HUB_AFTER_LOGIN``).

        `credentials`: as ``HUB_REQUEST_CREDENTIALS``. ``required`` makes Hub ask for the password again; ``silent``
        comes back as nobody where Hub knows nobody, and for five minutes after that Hub may ask.
        """
        if credentials not in (None, *t.get_args(Credentials)):
            raise HubConfigError(
                f"login(credentials=...) takes {', '.join(t.get_args(Credentials))}, got {credentials!r}."
            )
        is_silent = credentials == "silent" and may_be_silent()
        if credentials == "silent" and not is_silent:
            credentials = "default"
        address = safe_address(next, state().config)
        known = known_identity()
        if known is not None and not known.user:
            # Who is asked to sign in because nobody is signed in may go round in circles, as at a guard.
            stop_loops(address)
        return begin_login(address, Asked(credentials, optional=is_silent))

    def logout(self) -> Response:
        """Sign out here, and the answer that goes to ``HUB_AFTER_LOGOUT``, or to Hub (``HUB_LOGOUT_FROM_HUB``)."""
        return leave()

    def as_user(self, service: str | None = None, *, ticket: str | None = None) -> ServiceClient:
        """Calls `service` of ``HUB_SERVICES``, or Hub's own REST, as the person behind this request or `ticket`.

        The client may be handed to a thread. See :class:`~flask_hub_auth.tokens.client.ServiceClient`.

        :raises LoginRequired: nobody is signed in, or the ticket is old, altered or of another application
        """
        url = _service(service)[1]
        return ServiceClient(url, _user_tokens(ticket), state().wire)

    def as_service(self, service: str | None = None) -> ServiceClient:
        """Calls `service`, or Hub's own REST, as this application itself (client credentials)."""
        hub, (service_id, url) = state(), _service(service)
        scope = tuple(dict.fromkeys((HUB_ID, service_id)))
        return ServiceClient(url, hub.services.of(scope), hub.wire)

    def ticket(self, max_age: float | timedelta = 3600) -> str:
        """A text with which a job acts as the person behind this request, for `max_age` seconds or until their logout.

        A job that has the application passes it to :meth:`as_user`. It is as secret as the login itself.

        :raises LoginRequired: nobody is signed in, or by a presented token
        """
        return make_ticket(max_age)

    def sessions(self, user_id: str) -> list[HubSession]:
        """The logins of a person (their Hub id) at this application, newest first."""
        return sessions_of(state().keeper, user_id, _own_handle())

    def end_sessions(self, user_id: str, except_current: bool = False) -> int:
        """Sign a person out everywhere at this application, perhaps but here; how many logins that ended.

        It shows at the next request, in every worker.
        """
        ended = end_sessions(state().keeper, user_id, _own_handle() if except_current else None)
        if has_request_context():
            forget_identity()
        return ended

    def _app(self) -> Flask:
        if has_app_context():
            return t.cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
        if len(self._apps) != 1:
            raise HubConfigError("hub.guard() belongs to one application: call init_app once, with that application.")
        return next(iter(self._apps))


def _too_late(owner: Flask | Blueprint) -> str:
    if isinstance(owner, Blueprint):
        return (
            f"The blueprint '{owner.name}' is registered already, and hub.protect() would guard nothing of it. Call it"
            " before register_blueprint: beside the blueprint, or in the factory that registers it."
        )
    return (
        f"The application '{owner.name}' has answered requests already. Call hub.protect() where it is made, or set"
        " HUB_PROTECT_ALL."
    )


def _own_handle() -> bytes | None:
    return presented_handle() if has_request_context() else None


def _now() -> float:
    # Looked up each time, so that a test may move the time of an application that exists already.
    return time.time()


def _service(name: str | None) -> tuple[str, str]:
    """The id and URL of a service by its name in ``HUB_SERVICES``; of Hub's REST without one."""
    config = state().config
    if name is None:
        return HUB_ID, f"{config.url}/api/rest"
    if name not in config.services:
        known = ", ".join(config.services) or "none"
        raise HubConfigError(f"The service {name!r} is not in HUB_SERVICES. Known: {known}.")
    return config.services[name].id, config.services[name].url


def _user_tokens(ticket: str | None) -> TokenSource:
    keeper = state().keeper
    if ticket is not None:
        return UserTokens(keeper, handle_of(ticket))
    if not has_request_context():
        raise LoginRequired("as_user was called outside of a request: a job gives it the ticket= of hub.ticket().")
    who = identity()
    if who.bearer is not None:
        return PresentedToken(who.bearer)
    if who.handle is None:
        raise LoginRequired("as_user was called, and nobody is signed in.")
    # A client may be handed to a thread, which knows no application.
    return UserTokens(keeper, who.handle, partial(patience, keeper.config.timeout))
