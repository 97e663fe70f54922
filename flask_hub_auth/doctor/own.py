"""What can be seen in the application itself, without asking anybody."""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import os
import sys
import types
import typing as t
from itertools import pairwise
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException

from ..config import HubConfig
from ..web.addresses import as_sent
from ..web.guards import bare_views
from ..web.routes import shadowed
from .findings import Finding, found
from .start import LIBRARIES, PACKAGE

_FEWEST: t.Final = 8
"""Different bytes that a key has by chance, nearly always: 32 random ones have about 30, in hexadecimal 14."""
_WORDS: t.Final = ("secret", "password", "changeme", "change-me", "change_me", "example", "insecure", "default")


def look_at_application(app: Flask, config: HubConfig) -> list[Finding]:
    """What is wrong with its guards, its keys and its cookie."""
    return [
        *_guards(app),
        *_paths(app, config),
        *_keys(app, config),
        *_login_groups(config),
        *_host(app, config),
        *_cookie(app, config),
        *_store(app, config),
        *_bearer(config),
    ]


def _guards(app: Flask) -> t.Iterator[Finding]:
    if names := bare_views(app):
        yield found("guard-guards-nothing", f"A guard stands above @app.route, and guards nothing: {', '.join(names)}.")


def _paths(app: Flask, config: HubConfig) -> t.Iterator[Finding]:
    """Views of the application that stand where ours should answer, or that ours keep from answering."""
    asked = app.url_map.bind(as_sent(config.service_url))
    ours = {"login_path": ("GET",), "redirect_path": ("GET",), "logout_path": ("GET", "POST")}
    for setting, method in ((setting, method) for setting, methods in ours.items() for method in methods):
        path = getattr(config, setting)
        with contextlib.suppress(HTTPException):
            endpoint, _ = asked.match(path, method=method)
            if not endpoint.startswith("hub_auth."):
                seen = f"At {path} the application's own view '{endpoint}' answers, and not the login."
                yield found("path-taken", seen, setting=f"HUB_{setting.upper()}")
    settings = {"login": "HUB_LOGIN_PATH", "authorized": "HUB_REDIRECT_PATH", "logout": "HUB_LOGOUT_PATH"}
    for rule, method, winner in shadowed(app):
        owner, _, name = winner.partition(".")
        if owner == "hub_auth" and name in settings:
            seen = f"At {rule.rule} the login answers, and {method} never comes to the own view '{rule.endpoint}'."
            yield found("path-taken", seen, setting=settings[name])


def _keys(app: Flask, config: HubConfig) -> t.Iterator[Finding]:
    # The key of a test, or of a developer's own machine, guards nothing.
    if not (app.debug or app.testing) and any(map(is_weak, config.secret_keys)):
        yield found("secret-key-weak", "SECRET_KEY, or one of its fallbacks, is long enough, but can be guessed.")


def is_weak(key: bytes) -> bool:
    """Whether a key of enough bytes was plainly not made by chance."""
    repeats = any(key == (key[:size] * len(key))[: len(key)] for size in range(1, len(key) // 2 + 1))
    text = key.decode("latin-1").lower()
    # Letters that follow one another, as in the alphabet.
    steps = sum(after - before in (1, -1) for before, after in pairwise(key))
    return repeats or len(set(key)) < _FEWEST or steps > len(key) // 2 or any(word in text for word in _WORDS)


def _login_groups(config: HubConfig) -> t.Iterator[Finding]:
    """A text from the environment is one name, since names have spaces and commas; a list of them is JSON."""
    if joined := [name for name in config.login_groups if "," in name]:
        groups = [part.strip() for name in config.login_groups for part in name.split(",")]
        seen = f"HUB_LOGIN_GROUPS has a comma in the name of a group, {joined[0]!r}, which is one, not several."
        yield found("login-groups-joined", seen, groups=json.dumps(list(filter(None, groups)), ensure_ascii=False))


def _host(app: Flask, config: HubConfig) -> t.Iterator[Finding]:
    name, host = app.config.get("SERVER_NAME"), urlsplit(config.service_url).hostname
    own = urlsplit(f"//{name}").hostname if isinstance(name, str) else None
    if own and own != host:
        yield found("server-name-differs", f"HUB_SERVICE_URL is on {host}, SERVER_NAME is {own}.")


def _cookie(app: Flask, config: HubConfig) -> t.Iterator[Finding]:
    """Flags with which the session cookie can be stolen, or does not come back from the browser."""
    interface, url = app.session_interface, urlsplit(config.service_url)
    secure = interface.get_cookie_secure(app)
    if config.secure and not secure:
        yield found("cookie-not-secure", "The session cookie would be sent over http too.")
    if secure and not config.secure:
        yield found("cookie-secure-on-http", "HUB_SERVICE_URL is http, where not every browser keeps a Secure cookie.")
    if not interface.get_cookie_httponly(app):
        yield found("cookie-not-httponly", "Scripts in the page can read the session cookie.")
    same_site = str(interface.get_cookie_samesite(app))
    if same_site.lower() != "lax":
        is_strict = same_site.lower() == "strict"
        why = "is not sent on the way back from Hub" if is_strict else "is sent with the forms of other sites"
        yield found("cookie-samesite", f"The session cookie has SameSite={same_site}, and {why}.")
    domain, path = (interface.get_cookie_domain(app) or "").lstrip(".").lower(), interface.get_cookie_path(app)
    if domain and not f".{url.hostname}".endswith(f".{domain}"):
        yield found("cookie-domain", f"Browsers refuse a cookie for {domain} from {url.hostname}.")
    if not f"{url.path}/".startswith(path.rstrip("/") + "/"):
        yield found("cookie-path", f"The session cookie is for {path}, and HUB_SERVICE_URL is at {url.path or '/'}.")


def _store(app: Flask, config: HubConfig) -> t.Iterator[Finding]:
    in_memory = isinstance(config.cache, str) and config.cache.startswith("memory:")
    if in_memory and not (app.debug or app.testing):
        yield found("store-in-memory", "HUB_CACHE is memory://, and neither DEBUG nor TESTING is on.")


def _bearer(config: HubConfig) -> t.Iterator[Finding]:
    if config.bearer == "any":
        yield found("tokens-of-others", "HUB_BEARER is 'any': a token that is meant for another service is good here.")


def uses(app: Flask, *names: str) -> bool:
    """Whether the application's own code mentions one of `names`: its modules, those beside it, those of its views."""
    return any(_mentions(module, names) for module in _own_modules(app))


def _own_modules(app: Flask) -> t.Iterator[types.ModuleType]:
    own = {app.import_name, *(getattr(view, "__module__", "") for view in app.view_functions.values())}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        is_beside = file.startswith(f"{app.root_path}{os.sep}") and not file.startswith(LIBRARIES)
        is_own = name in own or name.startswith(f"{app.import_name}.") or is_beside
        if is_own and not file.startswith(PACKAGE):
            yield module


def _mentions(module: types.ModuleType, names: t.Collection[str]) -> bool:
    """By its source, since an import of everything brings names that are not used; where it has none, by its names."""
    try:
        source = inspect.getsource(module)
        nodes = ast.walk(ast.parse(source)) if any(name in source for name in names) else ()
    except (OSError, TypeError, SyntaxError, RecursionError):
        return any(name in vars(module) for name in names)
    return any(_name(node) in names for node in nodes)


def _name(node: ast.AST) -> str:
    """What a piece of code names: a variable, an attribute, or something that is imported by its name."""
    return str(getattr(node, {ast.Name: "id", ast.Attribute: "attr", ast.alias: "name"}.get(type(node), ""), ""))
