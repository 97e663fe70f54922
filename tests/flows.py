"""Writes docs/flows.md: every flow of Hub's OAuth 2.0 as it goes over the wire, with its test and its page.

``python -m tests.flows --write`` plays each flow between a small application, a dev Hub and a client on loopback, and
puts down what was sent. What differs from run to run (tokens, codes, ports, times) is shortened.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_hub_auth import HubAuth, current_hub_user, hub_bearer_required, hub_login_required
from flask_hub_auth.devhub import HUB_ID, DevHub, serve
from flask_hub_auth.hub import HubOAuth, HubRest
from flask_hub_auth.model import Secret

from .wire import Exchange, Tap

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "flows.md"

INTRODUCTION = """\
# The flows of Hub's OAuth 2.0, on the wire

Written by `python -m tests.flows --write`; a test writes it again and compares. The application is at
`http://localhost:5000`, Hub at `http://localhost:8099/hub`. Tokens, codes and everything else that differs from run to
run is shortened to `…`. Lines that say nothing about the flow (`Date`, `Server`, lengths, pages) are left out.
"""


JANE = {"username": "jane", "password": "jane"}
SILENT_HEADERS = (
    "date",
    "server",
    "content-length",
    "connection",
    "accept-encoding",
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "user-agent",
    "vary",
    "cache-control",
    "pragma",
)


@dataclass(frozen=True)
class Flow:
    """One row of the table: who needs it, what plays it, the tests that prove it, and the page that shows it."""

    title: str
    develop: str
    here: str
    test: str
    page: str
    play: Callable[[Scene], None]


@dataclass
class Scene:
    """The parts: taps before the application and before Hub, and what they have seen."""

    exchanges: list[Exchange]
    hub: DevHub
    app_url: str
    hub_url: str

    def oauth(self) -> HubOAuth:
        """The grants of the registered service."""
        return HubOAuth(self.hub_url, self.hub.service_id, self.hub.service_secret)

    def walk(self, url: str, session: requests.Session) -> requests.Response:
        """Follow redirects one by one through both taps, and sign jane in where Hub asks."""
        answer = session.get(url, allow_redirects=False)
        for _ in range(12):
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                answer = session.get(url, allow_redirects=False)
            elif "/auth/login" in url and answer.ok:
                url = urljoin(url, _login_form(answer.text))
                answer = session.post(url, data=JANE, allow_redirects=False)
            else:
                break
        return answer


def authorization_code(scene: Scene) -> None:
    """A person opens a guarded page, signs in at Hub, and is back on it."""
    with requests.Session() as browser:
        browser.headers["Accept"] = "text/html"
        answer = scene.walk(f"{scene.app_url}/private?from=there", browser)
        assert answer.text == "Hello Jane Doe", answer.text


def refresh(scene: Scene) -> None:
    """The keeper's call, a little before the token ends."""
    first = scene.oauth().for_password("jane", "jane", scope=(HUB_ID, scene.hub.service_id), offline=True)
    scene.exchanges.clear()
    assert first.refresh_token
    scene.oauth().refresh(first.refresh_token)


def client_credentials(scene: Scene) -> None:
    """The service asks for itself."""
    scene.oauth().for_service((HUB_ID, scene.hub.service_id))


def password(scene: Scene) -> None:
    """A script has a person's password."""
    token = scene.oauth().for_password("jane", "jane", scope=(HUB_ID, scene.hub.service_id))
    assert HubRest(scene.hub_url, token).me().login == "jane"


def implicit(scene: Scene) -> None:
    """A page in the browser gets the token in its fragment, and calls the application with it."""
    query = (
        f"response_type=token&client_id={scene.hub.service_id}&redirect_uri={scene.app_url}/authorized"
        f"&scope={HUB_ID}%20{scene.hub.service_id}&state=9b8fdea0&request_credentials=default"
    )
    url = f"{scene.hub_url}/api/rest/oauth2/auth?{query}"
    with requests.Session() as browser:
        answer = browser.get(url, allow_redirects=False)
        login = urljoin(url, answer.headers["Location"])
        answer = browser.post(urljoin(login, _login_form(browser.get(login).text)), data=JANE, allow_redirects=False)
        answer = browser.get(urljoin(login, answer.headers["Location"]), allow_redirects=False)
        token = re.findall(r"access_token=([^&]+)", urlsplit(answer.headers["Location"]).fragment)[0]
    bearer = {"Authorization": f"Bearer {unquote(token)}"}
    assert requests.get(f"{scene.app_url}/api", headers=bearer, timeout=5).text == "Hello Jane Doe"
    refused = requests.get(f"{scene.app_url}/api", headers={"Authorization": "Bearer none.of.hubs"}, timeout=5)
    assert refused.status_code == 401


def registering(scene: Scene) -> None:
    """An administrator registers a service: what `flask hub register` sends."""
    rest = HubRest(scene.hub_url, ("admin", Secret("admin")))
    assert rest.service_named("Reports") is None
    rest.register("Reports", "https://reports.example", ["https://reports.example/authorized"], trusted=True)


FLOWS = (
    Flow(
        "Authorization code",
        "a web application with its login on the server side",
        "`/login`, `/authorized`, `@hub_login_required`",
        "tests/web/test_login.py::test_a_person_lands_on_the_page_they_wanted_with_its_query",
        "`/me`",
        authorization_code,
    ),
    Flow(
        "Refresh token",
        "a desktop or mobile application; every login that outlives its token",
        "`TokenKeeper`; without Flask `HubOAuth.refresh`",
        "tests/hub/test_oauth.py::test_a_refresh_token_travels_in_the_body_without_scope",
        "`/panel`",
        refresh,
    ),
    Flow(
        "Client credentials",
        "a script on behalf of itself",
        "`hub.as_service(name)`, `HubOAuth.for_service`, `flask hub token --service`",
        "tests/demo/test_flows.py::test_projects_are_read_by_the_application_itself",
        "`/projects`",
        client_credentials,
    ),
    Flow(
        "Resource owner password",
        "a script on behalf of a user",
        "`HubOAuth.for_password`, `flask hub token --user NAME`",
        "tests/hub/test_oauth.py::test_a_password_is_exchanged",
        "`/scripts`",
        password,
    ),
    Flow(
        "Implicit",
        "a rich client with all its logic in the browser",
        "`@hub_bearer_required`, and every guard for `Authorization: Bearer`",
        "tests/demo/test_flows.py::test_the_api_knows_who_brings_a_token_and_takes_no_cookie",
        "`/api`",
        implicit,
    ),
    Flow(
        "Registering a service",
        "all of them, once",
        "`flask hub register`, `HubRest.register`",
        "tests/hub/test_registering.py::test_a_service_is_registered_and_works",
        "`/scripts`",
        registering,
    ),
)


def document() -> str:
    """The whole document, played anew."""
    rows = [f"| {flow.develop} | {flow.title} | {flow.here} | `{flow.test}` | {flow.page} |" for flow in FLOWS]
    head = ["| you develop | flow | in the extension | test | page of the demo |", "|---|---|---|---|---|"]
    parts = [INTRODUCTION, "\n".join([*head, *rows])]
    for flow in FLOWS:
        with scene() as playing:
            flow.play(playing)
            shown = "\n\n".join(_shown(exchange, playing) for exchange in playing.exchanges)
        parts.append(f"## {flow.title}\n\n{flow.play.__doc__}\n\n```http\n{shown}\n```")
    return "\n\n".join(parts) + "\n"


@contextmanager
def scene() -> Iterator[Scene]:
    """An application and a dev Hub on loopback, each behind a tap."""
    with ExitStack() as stack:
        served = stack.enter_context(serve(DevHub(), port=0))
        exchanges: list[Exchange] = []
        hub_tap = Tap(served.port, exchanges)
        stack.callback(hub_tap.close)
        hub = served.hub
        hub.url = f"http://localhost:{hub_tap.port}/hub"
        server = make_server("127.0.0.1", 0, lambda *call: app(*call), threaded=True, request_handler=_Quiet)
        app_tap = Tap(server.server_port, exchanges)
        stack.callback(app_tap.close)
        app_url = f"http://localhost:{app_tap.port}"
        hub.service.redirect_uris.append(f"{app_url}/authorized")
        app = application(hub, app_url)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        stack.callback(thread.join, 5)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        yield Scene(exchanges, hub, app_url, hub.url)


def application(hub: DevHub, url: str) -> Flask:
    """Two views, one for people and one for callers with a token."""
    app = Flask("flows")
    app.testing = True
    app.config.update(SECRET_KEY="k" * 32, HUB_CACHE="memory://", HUB_URL=hub.url, HUB_SERVICE_URL=url)
    app.config.update(HUB_SERVICE_ID=hub.service_id, HUB_SERVICE_SECRET=hub.service_secret)
    HubAuth(app)

    @app.get("/private")
    @hub_login_required
    def private() -> str:
        return f"Hello {current_hub_user.name}"

    @app.get("/api")
    @hub_bearer_required
    def api() -> str:
        return f"Hello {current_hub_user.name}"

    return app


def _shown(exchange: Exchange, scene: Scene) -> str:
    """One exchange as text: the head of both sides, and bodies that are no pages."""
    return _message(exchange.request, scene) + "\n\n" + _message(exchange.answer, scene)


def _message(raw: bytes, scene: Scene) -> str:
    head, _, body = raw.decode().partition("\r\n\r\n")
    first, *headers = head.split("\r\n")
    kept = [line for line in headers if line.partition(":")[0].lower() not in SILENT_HEADERS]
    if "text/html" in head and "<" in body:
        body = "(a page)"
    return shortened("\n".join([first, *sorted(kept), *(["", body.strip()] if body.strip() else [])]), scene)


def shortened(text: str, scene: Scene) -> str:
    """`text` without what differs from run to run."""
    for url, name in ((scene.app_url, "http://localhost:5000"), (scene.hub_url, "http://localhost:8099/hub")):
        for old, new in ((url, name), (quote(url, safe=""), quote(name, safe=""))):
            text = text.replace(old, new)
        text = text.replace(urlsplit(url).netloc, urlsplit(name).netloc)
    for pattern, short in SHORT:
        text = re.sub(pattern, short, text)
    return text


SHORT = (
    # A signed token: its end and its signature; percent-encoded in a fragment.
    (r"\b1\d{12}\.([0-9a-f-]+\.[0-9a-f-]*\.[0-9a-f+ %-]+?)(;|%3B)1\.[A-Za-z0-9+/=%]+", r"….\1\g<2>1.…"),
    (r"(?<=[?&](?:code|stat)=)[A-Za-z0-9_-]{20,}", "…"),
    (r"(?<=[?&]state=)[A-Za-z0-9_-]{20,}", "…"),
    (r"(?<=code_challenge=)[A-Za-z0-9_-]{20,}", "…"),
    (r"(?<=code_verifier=)[A-Za-z0-9_-]{20,}", "…"),
    (r"(?<=\bcode=)[A-Za-z0-9_-]{20,}", "…"),
    (r"(?<=refresh_token=)[A-Za-z0-9_-]{20,}", "…"),
    (r'(?<="refresh_token":")[^"]+', "…"),
    (r'(?<="secret":")[^"]+', "…"),
    (r'(?<="id":")[0-9a-f]{8}-(?!0000)[0-9a-f-]{27}(?=","secret")', "…"),
    (r"(?m)^1\.MII[A-Za-z0-9+/=]+$", "1.MII…"),
    (r'(?<="reference": ")[0-9a-f]{8}', "…"),
    (r"(?m)^((?:Set-)?Cookie: ).*$", r"\1…"),
    (r"(?<=Authorization: Basic )\S+", "…"),
)


def _login_form(page: str) -> str:
    return unescape(re.findall(r'<form method="post" action="([^"]+)"', page)[0])


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing on the terminal."""


def main(arguments: list[str]) -> int:
    """Write the document, or say whether it is up to date."""
    found = document()
    if "--write" in arguments:
        DOCUMENT.write_text(found, encoding="utf-8")
        return 0
    if DOCUMENT.read_text(encoding="utf-8") == found:
        return 0
    print("docs/flows.md is behind: python -m tests.flows --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
