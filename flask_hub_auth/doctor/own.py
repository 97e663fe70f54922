"""What can be seen in the application itself, without asking anybody."""

from __future__ import annotations

import inspect
import sys
import types
import typing as t
from urllib.parse import urlsplit

from flask import Flask

from ..config import HubConfig
from ..web.guards import bare_views
from .findings import Finding, found

_FEWEST: t.Final = 8
"""Different bytes that a key has by chance, nearly always: 32 random ones have about 30, in hexadecimal 14."""
_LONGEST_PIECE: t.Final = 12
_WORDS: t.Final = ("secret", "password", "changeme", "change-me", "change_me", "example", "insecure", "default")


def look_at_application(app: Flask, config: HubConfig) -> list[Finding]:
    """What is wrong with its guards, its keys and its cookie."""
    return [
        *_guards(app),
        *_keys(app, config),
        *_host(app, config),
        *_cookie(app, config),
        *_store(app, config),
        *_bearer(config),
    ]


def _guards(app: Flask) -> t.Iterator[Finding]:
    if names := bare_views(app):
        yield found("guard-guards-nothing", f"A guard stands above @app.route, and guards nothing: {', '.join(names)}.")


def _keys(app: Flask, config: HubConfig) -> t.Iterator[Finding]:
    # The key of a test, or of a developer's own machine, guards nothing.
    if not (app.debug or app.testing) and any(map(is_weak, config.secret_keys)):
        yield found("secret-key-weak", "SECRET_KEY, or one of its fallbacks, is long enough, but can be guessed.")


def is_weak(key: bytes) -> bool:
    """Whether a key of enough bytes was plainly not made by chance."""
    repeats = any(key == (key[:size] * len(key))[: len(key)] for size in range(1, _LONGEST_PIECE + 1))
    text = key.decode("latin-1").lower()
    return repeats or len(set(key)) < _FEWEST or any(word in text for word in _WORDS)


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
    """Whether the application's own code mentions one of `names`, in a view or in the modules beside them."""
    own = {app.import_name, *(view.__module__ for view in app.view_functions.values())}
    inside = [name for name in list(sys.modules) if name in own or name.startswith(f"{app.import_name}.")]
    values: list[object] = list(app.view_functions.values())
    for place in (vars(sys.modules[name]) for name in inside):
        if any(name in place for name in names):
            return True
        values += [value for value in place.values() if getattr(value, "__module__", None) == place["__name__"]]
    return any(name in names for value in values for code in _codes(value) for name in _mentioned(code))


def _codes(value: object) -> t.Iterator[types.CodeType]:
    """The code of a function, of what it wraps, or of the methods of a class."""
    if isinstance(value, types.FunctionType):
        yield inspect.unwrap(value).__code__
        view_class = getattr(value, "view_class", None)
        yield from _codes(view_class) if view_class else ()
    elif isinstance(value, type):
        yield from (code for each in vars(value).values() if not isinstance(each, type) for code in _codes(each))


def _mentioned(code: types.CodeType) -> t.Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _mentioned(constant)
