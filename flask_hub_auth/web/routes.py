"""What guards each endpoint of an application."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from flask import Flask

from .guards import bare_views, check_everything, is_public
from .state import GUARD

PUBLIC: t.Final = "public"
UNCLASSIFIED: t.Final = "unclassified"
BARE: t.Final = "nothing: its guard stands above @app.route"


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of an endpoint, and its guard in words."""

    endpoint: str
    rule: str
    guard: str

    @property
    def is_open(self) -> bool:
        """Whether nobody has said who may come here, or what was said has no effect."""
        return self.guard in (UNCLASSIFIED, BARE)


def routes_of(app: Flask) -> list[Route]:
    """All rules of `app` by endpoint."""
    with app.app_context():
        guards = {endpoint: _guard(app, endpoint) for endpoint in app.view_functions}
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: (rule.endpoint, rule.rule))
    return [Route(rule.endpoint, rule.rule, guards.get(rule.endpoint, UNCLASSIFIED)) for rule in rules]


def _guard(app: Flask, endpoint: str) -> str:
    if endpoint in bare_views(app):
        return BARE
    words = dict.fromkeys(_words(app.view_functions[endpoint]))
    if words:
        return ", ".join(words)
    if is_public(endpoint):
        return PUBLIC
    return "login" if _is_protected(app, endpoint) else UNCLASSIFIED


def _words(view: t.Any) -> t.Iterator[str]:
    """The guards of a view, the outermost first; decorators pass their attributes on."""
    while view is not None:
        if words := getattr(view, GUARD, None):
            yield words
        view = getattr(view, "__wrapped__", None)


def _is_protected(app: Flask, endpoint: str) -> bool:
    """Whether the application, or a blueprint that the endpoint is in, asks everybody for a login."""
    parts = endpoint.split(".")[:-1]
    owners = [None, *(".".join(parts[:length]) for length in range(1, len(parts) + 1))]
    return any(check_everything in app.before_request_funcs.get(owner, ()) for owner in owners)
