"""JetBrains' own client for the browser, unchanged: the implicit flow, the hidden frame, permissions, both logouts."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask, Response, jsonify
from playwright.sync_api import Browser, Frame, Page, expect
from werkzeug.serving import make_server

from flask_hub_auth.devhub import HUB_ID, Served, Service
from flask_hub_auth.devhub.seed import APOLLO_ID, HERMES_ID

FOLDER = Path(__file__).parent
AUTH = "/api/rest/oauth2/auth"
# "production": in a test ring-ui leaves out what this is about.
BUNDLING = ("--format=iife", "--global-name=Ring", "--platform=browser", "--loader:.js=jsx", "--jsx=automatic")
BUNDLING += ("--loader:.css=empty", '--define:process.env.NODE_ENV="production"')

pytestmark = pytest.mark.browser


@dataclass
class Application:
    """A page with ring-ui on an origin of its own, and the dev Hub that it signs in at."""

    url: str
    served: Served
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def authorizations(self) -> list[int]:
        """The statuses of all authorization requests so far."""
        return [call["status"] for call in self.served.hub.calls if call["path"] == AUTH]


@pytest.fixture(scope="module")
def script(bundle: Callable[..., Path]) -> str:
    return bundle("ring.js", *BUNDLING).read_text(encoding="utf-8")


@pytest.fixture
def application(script: str, served: Served) -> Iterator[Application]:
    site = Flask(__name__, static_folder=None)
    server = make_server("127.0.0.1", 0, site, threaded=True)
    application = Application(f"http://localhost:{server.server_port}", served)
    hub = served.hub
    application.settings |= {"serverUri": hub.url, "clientId": hub.service_id, "scope": [hub.service_id, "YouTrack"]}
    application.settings |= {"redirect": True, "tokenRefreshRetryDelays": [0], "enableBackendStatusCheck": True}

    @site.get("/")
    def page() -> str:
        return (FOLDER / "ring.html").read_text(encoding="utf-8")

    @site.get("/ring.js")
    def ring() -> Response:
        return Response(script, content_type="text/javascript; charset=utf-8")

    @site.get("/settings")
    def settings() -> Response:
        return jsonify(application.settings)

    @site.get("/favicon.ico")
    def favicon() -> tuple[str, int]:
        return "", 204

    hub.service.redirect_uris[:] = [f"{application.url}/"]
    hub.change(allowed_origins=[application.url])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield application
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium(launch: Callable[..., Browser]) -> Browser:
    return launch()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, login: str = "jane") -> None:
    """At Hub's form, where the page is or will be."""
    page.get_by_label("User name").fill(login)
    page.get_by_label("Password").fill(login)
    page.get_by_role("button", name="Sign in").click()


def open_as(page: Page, application: Application, login: str = "jane", name: str = "Jane Doe") -> None:
    page.goto(f"{application.url}/?from=there#place")
    sign_in(page, login)
    greeted(page, name)


def greeted(page: Page, name: str) -> None:
    page.wait_for_function("name => document.title === `Hello ${name}`", arg=name)


def test_a_person_signs_in_by_the_implicit_flow_and_the_page_reads_who_they_are(
    page: Page, application: Application
) -> None:
    hub = application.served.hub
    hub.add_service(Service("rnd", "R&D"))
    application.settings["scope"].append("R&D")
    open_as(page, application)
    # ring-ui takes the token out of the address.
    expect(page).to_have_url(f"{application.url}/")
    user = page.evaluate("auth.requestUser()")
    jane = hub.user("jane")
    assert (user["id"], user["login"], user["guest"]) == (jane.id, "jane", False)
    assert user["profile"]["avatar"]["url"].startswith(application.served.url)
    stored = page.evaluate("auth._storage.getToken()")
    assert stored["scopes"] == [hub.service_id, "YouTrack", "R&D", HUB_ID]
    assert stored["lifeTime"] == 3600
    assert application.authorizations == [303, 302]
    page.reload()
    greeted(page, "Jane Doe")
    assert application.authorizations == [303, 302], "a token that is good is not asked for again"


def test_permissions_and_collections_are_read_with_the_token(page: Page, application: Application) -> None:
    open_as(page, application)
    service = application.served.hub.service_id
    held = page.evaluate(
        """async ([services, project, other]) => {
          const permissions = new Ring.Permissions(auth, {prefix: "jetbrains.jetpass.", services});
          await permissions.load();
          return [
            await permissions.check("user-read"),
            await permissions.check("project-update", project),
            await permissions.check("project-update", other),
            await permissions.check("service-create | service-read"),
            await permissions.check("!service-create & user-read"),
            await permissions.check("service-create"),
          ];
        }""",
        [[service, HUB_ID], APOLLO_ID, HERMES_ID],
    )
    assert held == [True, True, False, True, True, False]
    found = page.evaluate(
        """async () => {
          const users = new Ring.HubSource(auth, "users", {searchMax: 2});
          return (await users.get("j", query => `loginStartsWith: ${query}`)).map(user => user.login);
        }"""
    )
    assert found == ["jane", "john"]


def test_a_token_that_has_ended_is_renewed_in_a_hidden_frame(page: Page, application: Application) -> None:
    hub = application.served.hub
    open_as(page, application)
    page.evaluate("window.sameDocument = true")
    frames: list[Frame] = []
    page.on("frameattached", lambda frame: frames.append(frame))
    hub.expire()
    # Hub says 401, which only a renewal mends.
    assert page.evaluate('auth.http.get("users/me?fields=login")')["login"] == "jane"
    hub.change(token_life=1)
    first = page.evaluate("auth.forceTokenUpdate().then(() => auth._storage.getToken())")["accessToken"]
    page.evaluate(
        """async first => {
          while (await auth.requestToken() === first) await new Promise(resolve => setTimeout(resolve, 50));
        }""",
        first,
    )
    assert len(frames) >= 3
    assert page.evaluate("window.sameDocument")
    # ring-ui takes its frames away.
    expect(page.locator("iframe")).to_have_count(0)
    assert set(application.authorizations[2:]) == {302}


def test_a_stranger_s_frame_tells_that_nobody_is_signed_in(page: Page, application: Application) -> None:
    """Without a session at Hub, and with the guest banned, ``silent`` is refused; then ring-ui shows Hub's form."""
    hub = application.served.hub
    hub.update_user("guest", banned=True)
    application.settings["redirect"] = False
    open_as(page, application)
    assert application.authorizations == [302, 303, 302]
    asked = [request for request in hub.calls if request["path"] == "/auth/login"]
    assert len(asked) == 1


def test_a_stranger_is_the_guest_where_hub_lets_guests_in(page: Page, application: Application) -> None:
    application.settings["redirect"] = False
    page.goto(f"{application.url}/")
    greeted(page, "guest")
    assert page.evaluate("auth.requestUser()")["guest"] is True
    assert application.authorizations == [302]


def test_the_classic_logout_ends_the_session_at_hub_and_asks_who_comes_next(
    page: Page, application: Application
) -> None:
    open_as(page, application)
    page.evaluate("void auth.logout()")
    page.wait_for_url(re.compile("/auth/login[?].*request_credentials=required"))
    sign_in(page, "john")
    greeted(page, "John Roe")


@pytest.mark.parametrize("redirect", [True, False])
def test_the_logout_that_a_service_begins_comes_back_to_it(
    page: Page, application: Application, redirect: bool
) -> None:
    """OpenID Connect's RP-initiated logout. Nobody is signed in at Hub after it, and the page asks for a form."""
    hub = application.served.hub
    hub.update_user("guest", banned=True)
    application.settings |= {"rpInitiatedLogout": True, "redirect": redirect}
    open_as(page, application)
    landed: list[str] = []
    page.on("request", lambda request: landed.append(request.url) if request.is_navigation_request() else None)
    page.evaluate("void auth.logout()")
    page.wait_for_url(re.compile("/auth/login[?]"))
    logout, back = landed[:2]
    assert logout.startswith(f"{application.served.url}/api/rest/oauth2/logout?client_id={hub.service_id}&state=")
    assert back == f"{application.url}/?{urlsplit(logout).query.partition('&')[2]}"
    sign_in(page, "john")
    greeted(page, "John Roe")


def test_another_person_signs_in_in_a_window_of_its_own(page: Page, application: Application) -> None:
    """``request_credentials=required`` with ``auth_mode=bypass_to_login``: how ring-ui switches users."""
    application.settings["embeddedLogin"] = True
    open_as(page, application)
    with page.expect_popup() as popup:
        page.evaluate("void auth.switchUser()")
    expect(popup.value).to_have_url(re.compile("auth_mode=bypass_to_login"))
    with page.expect_navigation():
        sign_in(popup.value, "john")
    greeted(page, "John Roe")
    if not popup.value.is_closed():
        popup.value.wait_for_event("close")


def test_hub_begins_a_login_and_ring_ui_takes_it(page: Page, application: Application) -> None:
    """The ``state`` is a URL of the application; one of another origin is refused."""
    hub = application.served.hub
    for state, title in ((f"{application.url}/deep", "Hello Jane Doe"), ("https://evil.example/", "Failed: State")):
        token = hub.token_for("jane", f"{hub.service_id} YouTrack {HUB_ID}")
        scope = f"{hub.service_id} YouTrack {HUB_ID}"
        fragment = urlencode({"access_token": token, "expires_in": 3600, "scope": scope, "state": state})
        page.goto("about:blank")
        page.goto(f"{application.url}/#{fragment}")
        page.wait_for_function("title => document.title.startsWith(title)", arg=title)


def test_without_an_allowed_origin_the_page_reads_nothing(page: Page, application: Application) -> None:
    application.served.hub.change(allowed_origins=[])
    application.settings["enableBackendStatusCheck"] = False
    page.goto(application.url)
    sign_in(page)
    page.wait_for_function("document.title.startsWith('Failed:')")
    preflights = [call for call in application.served.hub.calls if call["method"] == "OPTIONS"]
    assert preflights
    assert not [call for call in application.served.hub.calls if call["path"] == "/api/rest/users/me"][1:]


def test_a_login_form_in_a_frame_tells_its_parent_and_shows_itself_to_no_foreigner(
    page: Page, application: Application
) -> None:
    """What an older Hub does to ring-ui's hidden frame: the message is how ring-ui learns of it."""
    open_as(page, application)
    hub = application.served.hub
    hub.sign_out("jane")
    query = f"response_type=token&client_id={hub.service_id}&scope={HUB_ID}&redirect_uri={application.url}/"
    framed = """address => new Promise(resolve => {
      addEventListener("message", event => resolve(event.data));
      const frame = document.createElement("iframe");
      frame.onload = () => setTimeout(resolve, 500, "nothing was said");
      frame.src = address;
      document.body.append(frame);
    })"""
    address = f"{application.served.url}{AUTH}?{query}"
    assert page.evaluate(framed, address) == "HUB_AUTH_PAGE_OPENED"
    page.goto(application.url.replace("localhost", "127.0.0.1") + "/settings")
    assert page.evaluate(framed, address) == "nothing was said"


def test_the_requests_are_the_recorded_ones(page: Page, application: Application) -> None:
    """In this order, with these parameters: what Hub's own servers see of ring-ui."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    open_as(page, application)
    asked = next(url for url in seen if AUTH in url)
    hub = application.served.hub
    assert list(parse_qs(urlsplit(asked).query)) == [
        "response_type",
        "state",
        "redirect_uri",
        "request_credentials",
        "client_id",
        "scope",
    ]
    assert f"&scope={hub.service_id}%20YouTrack%20{HUB_ID}" in asked
    assert "fields=guest,id,name,login,profile%2Favatar%2Furl" in next(url for url in seen if "/users/me" in url)
    assert json.loads(page.evaluate("JSON.stringify(auth._service)")) == {}
    page.evaluate("auth.loadCurrentService()")
    assert page.evaluate("auth._service.serviceName") == "Demo"
