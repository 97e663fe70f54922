"""The WSGI application in front of Hub: host names, the list of calls, faults, one request at a time."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.datastructures import CombinedMultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from . import authorization, control, cors, grants, openid, pages, permissions, registry, rest, users, youtrack
from .faults import FAULT, Transport
from .reading import Json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from .hub import DevHub

# Other names may point here too (DNS rebinding): a page on the internet must not reach a Hub on this machine.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# Where ``serving.py`` puts what can break the connection.
CONNECTION = "devhub.connection"

MOST_BYTES = 1024 * 1024


class Connection(Protocol):
    """The wire of a request, where there is one."""

    def break_off(self, transport: Transport, answer: Response | None) -> None:
        """Does it. ``answer`` is what Hub said, for the transports that let some of it through."""


class Gate:
    """Serves Hub at its path and the remote control at ``/__dev__/``.

    It is the only lock: inside, one request at a time sees and changes Hub. Bodies are read and delays slept outside.
    """

    def __init__(self, hub: DevHub) -> None:
        self._hub = hub
        rest_api = (rest.rest, users.users, permissions.permissions, registry.registry)
        login = (authorization.authorization, grants.grants, openid.openid, pages.pages)
        self._web = _application(hub, *rest_api, *login, cors.cors)
        self._control = _application(hub, control.control)
        self._youtrack = _application(hub, youtrack.youtrack)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(environ)(environ, start_response)

    def _answer(self, environ: WSGIEnvironment) -> Response:
        refusal = self._refusal(environ)
        if refusal:
            return refusal
        path, base = environ.get("PATH_INFO", ""), self._hub.path
        if path.startswith("/__dev__/"):
            return self._inside(self._control, environ)
        if path == "/api/config" and self._hub.options.youtrack != "none":
            return self._inside(self._youtrack, environ)
        if path == base or path.startswith(f"{base}/"):
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + base
            environ["PATH_INFO"] = path[len(base) :] or "/"
            return self._hub_answer(environ)
        if path == "/":
            return Response(status=303, headers={"Location": f"{base}/"})
        if path == "/favicon.ico":
            # A browser asks for it beside each answer that is no page of ours.
            return Response(status=204)
        return Response(f"Hub is at {base}/\n", status=404)

    def _refusal(self, environ: WSGIEnvironment) -> Response | None:
        host = _hostname(environ.get("HTTP_HOST", ""))
        if host not in LOOPBACK and host != urlsplit(self._hub.url).hostname:
            return Response("This Hub answers only to localhost, 127.0.0.1 and [::1].\n", status=421)
        if not _is_utf8(environ.get("QUERY_STRING", "")):
            return Response("The query is not UTF-8.\n", status=400)
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return Response("Content-Length is no number.\n", status=400)
        if not 0 <= length <= MOST_BYTES:
            return Response("That is too long.\n", status=413)
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(length))
        return None

    def _hub_answer(self, environ: WSGIEnvironment) -> Response:
        call = _call(environ, self._hub.clock())
        self._hub.record(call)
        with self._hub.lock:
            fault = self._hub.faults.take(call["path"])
        if fault is None:
            return self._noted(call, self._inside(self._web, environ))
        environ[FAULT] = fault
        time.sleep(fault.delay)
        if fault.transport and fault.skips_hub and fault.transport not in ("drip", "reset"):
            return _broken(environ, fault.transport, None)
        answer = self._noted(call, fault.response() if fault.skips_hub else self._inside(self._web, environ))
        return _broken(environ, fault.transport, answer) if fault.transport else answer

    def _inside(self, app: Flask, environ: WSGIEnvironment) -> Response:
        with self._hub.lock:
            return Response.from_app(app, environ, buffered=True)

    def _noted(self, call: dict[str, Any], answer: Response) -> Response:
        answer.headers.setdefault("Date", http_date(self._hub.clock()))
        with self._hub.lock:
            call["status"] = answer.status_code
        return answer


def _application(hub: DevHub, *blueprints: Any) -> Flask:
    app = Flask(__package__)
    app.extensions["devhub"] = hub
    app.json = Json(app)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_utf8(text: str) -> bool:
    """Whether text of a WSGI environment, which is bytes under another name (PEP 3333), is UTF-8 when they are read."""
    try:
        text.encode("latin-1").decode()
    except UnicodeError:
        return False
    return True


def _broken(environ: WSGIEnvironment, transport: Transport, answer: Response | None) -> Response:
    """Breaks the connection. In memory there is none, so what a client would feel is raised instead."""
    connection: Connection | None = environ.get(CONNECTION)
    if connection:
        connection.break_off(transport, answer)
        return Response(status=500)
    if transport in ("refuse", "reset"):
        raise ConnectionResetError(f"the dev Hub was told to fail: {transport}")
    raise TimeoutError(f"the dev Hub was told to fail: {transport}")


def _call(environ: WSGIEnvironment, now: float) -> dict[str, Any]:
    """What the list of calls says about a request."""
    # Reading the form from a copy: Hub wants to read it too.
    request = Request({**environ, "wsgi.input": BytesIO(environ["wsgi.input"].getvalue())}, populate_request=False)
    try:
        sent = request.values
    except HTTPException:
        # A form that is too large is Hub's to refuse.
        sent = CombinedMultiDict([request.args])
    return {
        "method": request.method,
        "path": request.path,
        "grant": sent.get("grant_type"),
        "client_id": _basic_user(request) or sent.get("client_id"),
        "status": None,
        "time": now,
    }


def _basic_user(request: Request) -> str | None:
    """The service id of a Basic header; a person's login at REST is not one."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic" or not request.path.startswith("/api/rest/oauth2/"):
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return None
