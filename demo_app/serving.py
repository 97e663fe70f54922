"""Ports and servers: the application on loopback, and beside it dev Hub and issues service unless Hub is a real one."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import typing as t
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_hub_auth.devhub import DevHub, PortTaken, Service, serve

from .app import INSTANCE, create_app
from .issues import ISSUES_ID, create_issues
from .pages import SEEDED

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

REAL_HUB: t.Final = ("FLASK_HUB_URL", "FLASK_HUB_SERVICE_ID", "FLASK_HUB_SERVICE_SECRET", "FLASK_HUB_SERVICE_URL")
"""Any of them in the environment: a real Hub is wanted."""

UNSAFE: t.Final = frozenset((5060, 5061))
PORTS: t.Final = [port for port in range(5000, 5100) if port not in UNSAFE]
"""Where the application looks for a port. Browsers open no page on those of SIP."""

LOOPBACK: t.Final = ("http://localhost", "http://127.0.0.1")

HUB_ABOVE: t.Final = 100
"""The dev Hub's port is this far above the application's, if that is free: the address of a Hub is part of every login,
and at another one nobody would stay signed in over a restart."""
ISSUES_ABOVE: t.Final = 200

TODO: t.Final = {
    "jane": ("Count down aloud", "Deliver the letter of the gods", "Land softly"),
    "john": ("Polish the helmets",),
    "admin": ("Order fuel", "Mend the winged sandals"),
}
"""What the people of the dev Hub find in the issues service."""


class CannotServe(Exception):
    """Nothing can be served; the text is a sentence."""


class WrongValue(CannotServe):
    """A variable of the demo makes no sense."""


class _Handler(WSGIRequestHandler):
    """Logs requests without their query: the one of a callback has a code in it."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.log("info", '"%s %s" %s', self.command, self.path.partition("?")[0], code)


def start(environ: t.Mapping[str, str], *, token_life: int, instance: Path = INSTANCE) -> tuple[ExitStack, str]:
    """Start what is to run, and answer how to end it, and the line that tells people about it.

    :raises HubConfigError: where the settings in the environment are wrong
    :raises CannotServe: where no port is free, or the instance folder cannot be written
    """
    with ExitStack() as running:
        if given(environ):
            line = _with_real_hub(running, environ, instance)
        else:
            line = _with_dev_hub(running, environ, token_life, instance)
        return running.pop_all(), line


def given(environ: t.Mapping[str, str]) -> str:
    """Why a Hub is used that is there already, and how not; nothing where the demo has its own."""
    names = [name for name in REAL_HUB if environ.get(name)]
    return f"{names[0]} is set, so there is no Hub of its own; for that: unset {' '.join(names)}" if names else ""


def untrusted(text: str) -> bool:
    """Whether ``DEMO_UNTRUSTED`` says so."""
    known = {"": False, "0": False, "false": False, "1": True, "true": True}.get(text.lower())
    if known is None:
        raise WrongValue(f"DEMO_UNTRUSTED must be 1, 0, true or false, got {text!r}.")
    return known


def _with_dev_hub(running: ExitStack, environ: t.Mapping[str, str], token_life: int, instance: Path) -> str:
    trusted = not untrusted(environ.get("DEMO_UNTRUSTED", ""))
    sock = running.enter_context(closing(_first_free(PORTS)))
    port = sock.getsockname()[1]
    address = f"http://localhost:{port}"
    dev_hub = DevHub(
        home_url=address,
        trusted=trusted,
        redirect_uris=[f"{host}:{port}/{path}" for host in LOOPBACK for path in ("authorized", "api")],
        token_life=token_life,
        rotate=True,
    )
    served = _served(dev_hub, port + HUB_ABOVE)
    running.callback(served.stop)
    issues_url = serve_issues(running, dev_hub, port + ISSUES_ABOVE)
    settings = {
        **_own_settings(environ, instance),
        "HUB_URL": served.url,
        "HUB_SERVICE_ID": dev_hub.service_id,
        "HUB_SERVICE_SECRET": dev_hub.service_secret,
        "HUB_SERVICE_URL": address,
        "HUB_SERVICES": {"issues": {"id": ISSUES_ID, "url": issues_url}},
        # Cookies ignore ports: another application on this machine must not sign people out here.
        "SESSION_COOKIE_NAME": f"hub_demo_{port}",
    }
    _serve(running, create_app(settings, dev_hub=dev_hub, instance=instance), sock)
    *users, last = SEEDED
    return f"Open {address} and sign in as {', '.join(users)} or {last} (the password is the name). Ctrl-C ends it."


def serve_issues(running: ExitStack, dev_hub: DevHub, port: int) -> str:
    """Serve the issues service at `port`, if that is free, as one that `dev_hub` knows; its address."""
    try:
        sock = running.enter_context(closing(_listening(port)))
    except OSError:
        sock = running.enter_context(closing(_listening(0)))
    address = f"http://localhost:{sock.getsockname()[1]}"
    dev_hub.add_service(Service(ISSUES_ID, "Issues", home_url=address, trusted=True))
    todo = {dev_hub.user(login).id: summaries for login, summaries in TODO.items()}
    _serve(running, create_issues(dev_hub.url, todo=todo), sock)
    return address


def _with_real_hub(running: ExitStack, environ: t.Mapping[str, str], instance: Path) -> str:
    app = create_app(_own_settings(environ, instance), instance=instance)
    config = app.extensions["hub_auth"].config
    address = urlsplit(config.service_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        sock = running.enter_context(closing(_listening(port)))
    except OSError as error:
        whose = f"of HUB_SERVICE_URL {config.service_url}"
        if not environ.get("FLASK_HUB_SERVICE_URL"):
            whose = "(FLASK_HUB_SERVICE_URL is not set)"
        raise CannotServe(
            f"Port {port} {whose} cannot be used: {error.strerror or error}."
            " End what runs there, or set FLASK_HUB_SERVICE_URL to an address with another port."
        ) from None
    mounted: WSGIApplication = app
    if address.path:
        mounted = DispatcherMiddleware(NotFound(), {address.path: app})
    _serve(running, mounted, sock)
    hub = urlsplit(config.url)
    away = not config.proxy and not _answers(hub.hostname or "", hub.port or (443 if hub.scheme == "https" else 80))
    silence = f" Nobody listens at {config.url}." if away else ""
    return (
        f"Open {config.service_url} and sign in with your account at {config.url}. Ctrl-C ends it."
        f"{silence} {given(environ)}"
    )


def _serve(running: ExitStack, app: WSGIApplication, sock: socket.socket) -> None:
    host, port = sock.getsockname()
    server = make_server(host, port, app, threaded=True, request_handler=_Handler, fd=sock.fileno())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="demo", daemon=True)
    thread.start()
    running.callback(thread.join)
    running.callback(server.server_close)
    running.callback(server.shutdown)


def _first_free(ports: Iterable[int]) -> socket.socket:
    for port in ports:
        try:
            return _listening(port)
        except OSError:
            continue
    raise CannotServe(f"No port from {PORTS[0]} to {PORTS[-1]} is free. End what runs there.")


def _listening(port: int) -> socket.socket:
    """A socket that listens on loopback. `OSError` where somebody else listens on `port` at any of its addresses."""
    for host in ("127.0.0.1", "::1"):
        # Binding alone does not tell everywhere: a listener at [::1], and on some systems one at all addresses, does
        # not hinder it, and browsers that open localhost would go there instead.
        if _answers(host, port):
            raise OSError("somebody else listens there")
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


def _served(dev_hub: DevHub, port: int) -> t.Any:
    try:
        with closing(_listening(port)):
            pass
        return serve(dev_hub, port=port)
    except (OSError, PortTaken):
        return serve(dev_hub, port=0)


def _own_settings(environ: t.Mapping[str, str], instance: Path) -> dict[str, t.Any]:
    return {} if environ.get("FLASK_SECRET_KEY") else {"SECRET_KEY": secret_key(instance)}


def secret_key(instance: Path) -> str:
    """The key of this instance folder, made at the first start: people stay signed in over a restart."""
    path = instance / "secret_key"
    try:
        if not path.exists():
            instance.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = instance / f"secret_key.{os.getpid()}"
            with open(new, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(secrets.token_hex())
            # In one step, so that nobody reads half a key.
            new.replace(path)
        return path.read_text()
    except OSError as error:
        raise CannotServe(f"The key of the demo cannot be kept in {path}: {error.strerror}.") from None
