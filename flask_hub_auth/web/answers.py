"""What every request and every answer of an application needs from us."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass

from flask import Flask, Response, current_app, has_app_context, request, session

from ..config import HubConfig
from ..model import Identity
from ..pages import PAGES, Pages, Problem, clean, find_by
from .addresses import here, login_address, site_path
from .guards import find_bare_views
from .identity import ONLY_BEARER, known_identity
from .login import settle_trips
from .looks import render_page
from .state import EXTENSION, state

log = logging.getLogger("flask_hub_auth")


@dataclass(frozen=True, slots=True)
class AppPages:
    """How problems look in one application; floor 0 finds it in the WSGI environment."""

    config: HubConfig

    @property
    def realm(self) -> str:
        return self.config.service_id

    def login_url(self, problem: Problem) -> str | None:
        if ONLY_BEARER in request.environ:
            return None
        again = {"again": "1"} if problem.again else {}
        return login_address(problem.return_to or here(request, self.config), self.config, **again)

    def html(self, problem: Problem) -> str:
        ours = (request.endpoint or "").startswith("hub_auth.")
        next = problem.return_to or here(request, self.config)
        login_url = switch_url = None
        again_url = here(request, self.config) if problem.code in (502, 503) else None
        if request.endpoint == "hub_auth.logout":
            # Whoever wants to leave is not to sign in; the page there has the button.
            again_url = site_path(self.config.logout_path, self.config)
        elif problem.code == 403 and not problem.again:
            # Hub would take the same account again by itself.
            switch_url = login_address(next, self.config, switch="1")
        elif ours or problem.again or problem.code in (400, 401):
            login_url = self.login_url(problem)
        return render_page(
            problem=problem,
            login_url=login_url,
            switch_url=switch_url,
            again_url=again_url,
            home_url=site_path(self.config.after_logout, self.config),
        )


def _at_hand() -> Pages | None:
    """How problems look in the application at hand, if it has a HubAuth."""
    is_ours = has_app_context() and EXTENSION in current_app.extensions
    return AppPages(state().config) if is_ours else None


find_by(_at_hand)


class Preparation:
    """Runs when a request has started, before anything of the application does."""

    def __init__(self, config: HubConfig) -> None:
        self._pages = AppPages(config)
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


def finish(response: Response) -> Response:
    """What every answer to somebody who is signed in needs: it is theirs alone."""
    known, config = known_identity(), state().config
    if request.path in (config.login_path, config.redirect_path, config.logout_path):
        response.headers.setdefault("Cache-Control", "no-store")
    if known is None or not known.user:
        return response
    if not known.bearer:
        settle_trips(response)
    make_personal(response, known, request.path, sets_cookie=_sets_cookie(response))
    return response


def make_personal(response: Response, who: Identity, path: str, *, sets_cookie: bool) -> None:
    """Mark what is an answer to whoever is signed in: no shared cache gives it to somebody else."""
    if "Cache-Control" not in response.headers:
        response.cache_control.private = True
    elif response.cache_control.public and sets_cookie:
        log.warning("%s is sent as public although a cookie is set with it; made private", clean(path))
        response.cache_control.public = False
        response.cache_control.private = True
    response.vary.update(["Cookie", "Authorization"] if who.bearer else ["Cookie"])


def _sets_cookie(response: Response) -> bool:
    # Flask writes the session's cookie after us, a permanent one with every answer.
    return "Set-Cookie" in response.headers or session.modified or session.permanent
