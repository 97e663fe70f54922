"""What guards each endpoint of an application."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from flask import Flask
from werkzeug.routing import Rule

from .guards import bare_views, check_everything, is_public, layers
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
        return self.guard.partition(";")[0] in (UNCLASSIFIED, BARE)


def routes_of(app: Flask) -> list[Route]:
    """All rules of `app` by endpoint."""
    lost: dict[int, str] = {}
    for rule, method, winner in shadowed(app):
        lost[id(rule)] = f"{lost.get(id(rule), '')}; {method} never comes here, {winner} answers"
    with app.app_context():
        found = [
            Route(rule.endpoint, rule.rule, _guard(app, rule.endpoint) + lost.get(id(rule), ""))
            for rule in app.url_map.iter_rules()
        ]
    return sorted(found, key=lambda route: (route.endpoint, route.rule))


def shadowed(app: Flask) -> t.Iterator[tuple[Rule, str, str]]:
    """Rules and methods for which an endpoint answers that was registered for the same address before."""
    first: dict[tuple[object, ...], str] = {}
    for rule in app.url_map.iter_rules():
        for method in () if rule.build_only else sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            place = (rule.host, rule.subdomain, rule.websocket, rule.rule, method)
            winner = first.setdefault(place, rule.endpoint)
            if winner != rule.endpoint:
                yield rule, method, winner


def _guard(app: Flask, endpoint: str) -> str:
    if endpoint in bare_views(app):
        return BARE
    hooks, own = list(_hooks(app, endpoint)), list(_words(app.view_functions.get(endpoint)))
    before = [words for hook in hooks for words in _words(hook)]
    if check_everything in hooks and not own and not is_public(endpoint):
        before.append("login")
    return ", ".join(dict.fromkeys(before + own)) or (PUBLIC if is_public(endpoint) else UNCLASSIFIED)


def _words(view: t.Any) -> t.Iterator[str]:
    """The guards of a view, the outermost first; decorators pass their attributes on."""
    return (words for layer in layers(view) if (words := getattr(layer, GUARD, None)))


def _hooks(app: Flask, endpoint: str) -> t.Iterator[t.Any]:
    """What the application, and the blueprints that the endpoint is in, run before it; a guard may be among it."""
    parts = endpoint.split(".")[:-1]
    for owner in (None, *(".".join(parts[:length]) for length in range(1, len(parts) + 1))):
        yield from app.before_request_funcs.get(owner, ())
