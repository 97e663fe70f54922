"""HubAuth: gives an application its login with Hub."""

from __future__ import annotations

import logging
import time
import typing as t
import weakref
from dataclasses import dataclass

from flask import Blueprint, Flask, Response, current_app, has_app_context, render_template, request, request_started
from werkzeug.exceptions import HTTPException

from .config import HubConfig
from .errors import HubConfigError, HubProblem
from .hub import HubOAuth, HubRest
from .hub.openid import Discovery
from .hub.transport import Transport
from .model import HubUser, Secret
from .pages import PAGES, clean
from .sealing import Sealer
from .tokens import LoginStore, TokenKeeper, open_store
from .tokens.store import cache_problem
from .web.addresses import here, login_address, safe_address, site_path
from .web.guards import check_everything, check_login, find_bare_views
from .web.identity import csrf_token, current_hub_user, known_identity
from .web.login import begin_login, end_login, redirect_to, settle_trips
from .web.pending import PendingLogins
from .web.signals import hub_logged_out, hub_token_refreshed
from .web.state import EXTENSION, HubState, state
from .web.views import blueprint

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from requests import Session

log = logging.getLogger("flask_hub_auth")


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
        config = _checked(app)
        _close_cookies(app, config)
        app.extensions[EXTENSION] = _assembled(app, config, self._clock or time.time, self._http)
        app.register_blueprint(blueprint(config))
        app.context_processor(lambda: {"current_hub_user": current_hub_user, "hub_csrf_token": csrf_token})
        request_started.connect(_Preparation(config), app, weak=False)
        app.after_request(_finish)
        if config.protect_all:
            self.protect(app)
        self._apps.add(app)

    def protect(self, app_or_blueprint: Flask | Blueprint) -> None:
        """Guard every endpoint that is not ``@hub_public``; of a blueprint before it is registered."""
        # Flask refuses this for a blueprint that is already registered, where it would have no effect.
        app_or_blueprint.before_request(check_everything)
        # First of all, so that nothing else that runs before the views answers instead.
        functions = app_or_blueprint.before_request_funcs[None]
        functions.insert(0, functions.pop())

    def guard(self, wsgi_app: WSGIApplication) -> WSGIApplication:
        """A WSGI application that only people reach who are signed in.

        For what is mounted beside the views, such as ``DispatcherMiddleware(app.wsgi_app, {"/m": hub.guard(other)})``.
        """

        def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> t.Iterable[bytes]:
            app = self._app()
            with app.request_context(environ):
                try:
                    _prepare_pages(app)
                    answer = check_login()
                except HTTPException as problem:
                    answer = t.cast(Response, problem.get_response(environ))
                if answer is not None:
                    return app.process_response(answer)(environ, start_response)
            return wsgi_app(environ, start_response)

        return guarded

    def login(self, next: str | None = None, credentials: t.Literal["default", "required"] | None = None) -> Response:
        """The answer that begins a login and comes back to `next`, a path of this site (else ``HUB_AFTER_LOGIN``).

        `credentials`: ``required`` makes Hub ask for the password again.
        """
        if credentials not in (None, "default", "required"):
            raise HubConfigError(
                f"login(credentials={credentials!r}) is not available in this version. Use 'required'."
            )
        return begin_login(safe_address(next, state().config), credentials=credentials)

    def logout(self) -> Response:
        """Sign out here, and the answer that goes to ``HUB_AFTER_LOGOUT``."""
        end_login()
        config = state().config
        return redirect_to(site_path(config.after_logout, config))

    def _app(self) -> Flask:
        if has_app_context():
            return t.cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
        if len(self._apps) != 1:
            raise HubConfigError("hub.guard() belongs to one application: call init_app once, with that application.")
        return next(iter(self._apps))


def _checked(app: Flask) -> HubConfig:
    """The settings of `app`; all problems of settings and cache in one error."""
    problems = [cache_problem(app.config.get("HUB_CACHE"))]
    try:
        config = HubConfig.from_mapping(app.config, debug=app.debug or app.testing)
    except HubConfigError as error:
        raise HubConfigError("\n".join([str(error), *filter(None, problems)])) from None
    if problems[0]:
        raise HubConfigError(problems[0])
    return config


def _close_cookies(app: Flask, config: HubConfig) -> None:
    """Make the session cookie Secure on https and SameSite=Lax, where the application left Flask's defaults."""
    if config.secure and app.config["SESSION_COOKIE_SECURE"] is False:
        app.config["SESSION_COOKIE_SECURE"] = True
    if app.config["SESSION_COOKIE_SAMESITE"] is None:
        app.config["SESSION_COOKIE_SAMESITE"] = "Lax"


def _assembled(app: Flask, config: HubConfig, clock: t.Callable[[], float], http: Session | None) -> HubState:
    transport = Transport(config.url, timeout=config.timeout, ca_bundle=config.ca_bundle, proxy=config.proxy, http=http)
    oauth = HubOAuth(config.url, config.service_id, config.service_secret, transport=transport, clock=clock)
    sealer = Sealer(config.secret_keys, (config.url, config.service_id))
    store = open_store(config.cache, app.instance_path)
    if isinstance(config.cache, str) and config.cache.startswith("memory:") and not (app.debug or app.testing):
        log.warning("HUB_CACHE is memory://: logins are lost at a restart and not shared between workers.")

    def read_user(access_token: Secret) -> HubUser:
        return HubRest(config.url, access_token, transport=transport).me(config.user_fields)

    keeper = TokenKeeper(
        config,
        LoginStore(store, sealer, clock=clock, lifetime=config.login_lifetime),
        oauth,
        read_user,
        clock=clock,
        on_refreshed=lambda user_id: hub_token_refreshed.send(app, user_id=user_id),
        on_ended=lambda user_id, reason: hub_logged_out.send(app, user_id=user_id, reason=reason),
    )
    return HubState(config, transport, oauth, Discovery(transport), sealer, keeper, PendingLogins(config, clock))


@dataclass(frozen=True, slots=True)
class _AppPages:
    """How problems look in one application; floor 0 finds it in the WSGI environment."""

    config: HubConfig

    @property
    def realm(self) -> str:
        return self.config.service_id

    def login_url(self, problem: HubProblem) -> str:
        return login_address(problem.return_to or here(request, self.config), self.config)

    def html(self, problem: HubProblem) -> str:
        ours = (request.endpoint or "").startswith("hub_auth.")
        again = here(request, self.config) if problem.code in (502, 503) else None
        return render_template(
            "hub_auth/page.html",
            problem=problem,
            login_url=self.login_url(problem) if ours or getattr(problem, "can_sign_in", False) else None,
            again_url=again,
            home_url=site_path(self.config.after_logout, self.config),
        )


class _Preparation:
    """Runs when a request has started, before anything of the application does."""

    def __init__(self, config: HubConfig) -> None:
        self._pages = _AppPages(config)
        self._checked = -1

    def __call__(self, app: Flask, **more: t.Any) -> None:
        request.environ[PAGES] = self._pages
        if self._checked == len(app.view_functions):
            return
        find_bare_views(app)
        protection = app.extensions.get("csrf")
        if protection is not None and hasattr(protection, "exempt"):
            # Flask-WTF looks for its own token; /logout looks for ours, and where the request comes from.
            protection.exempt(app.blueprints["hub_auth"])
        self._checked = len(app.view_functions)


def _prepare_pages(app: Flask) -> None:
    request.environ[PAGES] = _AppPages(app.extensions[EXTENSION].config)


def _finish(response: Response) -> Response:
    """What every answer to somebody who is signed in needs: it is theirs alone."""
    known = known_identity()
    if known is None or not known.user:
        return response
    settle_trips(response)
    if "Cache-Control" not in response.headers:
        response.cache_control.private = True
    elif response.cache_control.public and "Set-Cookie" in response.headers:
        log.warning("%s is sent as public although a cookie is set with it; made private", clean(request.path))
        response.cache_control.public = False
        response.cache_control.private = True
    response.vary.add("Cookie")
    return response
