"""The fixtures for people who test their applications."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request

from flask_hub_auth import (
    HubAuth,
    current_hub_user,
    hub_group_required,
    hub_login_optional,
    hub_login_required,
    testing,
)
from flask_hub_auth.testing.browser import Browser
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import KEY, SCRIPT, TOKEN_PATH

SignIn = Callable[..., None]
OpenBrowser = Callable[[Flask], Browser]


def create_app(hub: HubInMemory, **settings: Any) -> Flask:
    """An application as a reader of the guide would write it."""
    app = Flask(__name__)
    app.config.update(TESTING=True, SECRET_KEY=KEY, HUB_CACHE="memory://", **hub.settings)
    app.config.update(settings)
    HubAuth(app)

    @app.get("/")
    def home() -> str:
        return current_hub_user.login or "nobody"

    @app.route("/private", methods=["GET", "POST"])
    @hub_login_required
    def private() -> str:
        return f"{request.method} {current_hub_user.login} {request.args.get('x', '')}{request.form.get('text', '')}"

    @app.get("/developers")
    @hub_group_required("Developers")
    def developers() -> str:
        return f"developer {current_hub_user.login}"

    return app


@pytest.fixture
def app(dev_hub: HubInMemory) -> Flask:
    return create_app(dev_hub)


# Loading


def test_the_plugin_is_light_until_a_fixture_is_used() -> None:
    code = """
import sys
before = set(sys.modules)
import flask_hub_auth.testing.plugin
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(loaded & {"requests", "authlib", "flask", "cryptography", "cachelib", "werkzeug", "urllib3", "jinja2"}))
print(sorted(name for name in sys.modules if name.startswith("flask_hub_auth")))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    libraries, modules = answer.stdout.splitlines()
    assert libraries == "[]"
    assert modules == "['flask_hub_auth', 'flask_hub_auth.testing', 'flask_hub_auth.testing.plugin']"


def test_what_the_fixtures_give_can_be_named_in_a_test(
    dev_hub: HubInMemory, app: Flask, hub_browser: OpenBrowser, hub_clock: Clock
) -> None:
    found = {"HubInMemory": dev_hub, "Browser": hub_browser(app), "Clock": hub_clock}
    assert sorted(found) == testing.__all__
    for name, value in found.items():
        assert type(value) is getattr(testing, name)


def test_the_types_of_the_fixtures_can_be_imported_where_there_is_no_pytest() -> None:
    code = """
import sys
sys.modules["pytest"] = None
from flask_hub_auth.testing import Browser, HubInMemory
try:
    from flask_hub_auth.testing import nothing
except ImportError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("cannot import name 'nothing'")


# dev_hub


def test_the_dev_hub_has_the_settings_of_an_application(dev_hub: HubInMemory) -> None:
    assert dev_hub.url == "https://hub.test/hub"
    assert dev_hub.settings == {
        "HUB_URL": dev_hub.url,
        "HUB_SERVICE_ID": dev_hub.service_id,
        "HUB_SERVICE_SECRET": dev_hub.service_secret,
    }
    assert dev_hub.calls == []


@pytest.mark.parametrize("time", [1, 2])
def test_the_dev_hub_is_a_fresh_one_in_every_test(
    dev_hub: HubInMemory, app: Flask, hub_browser: OpenBrowser, time: int
) -> None:
    assert dev_hub.calls == []
    assert "somebody" not in dev_hub.people.users
    dev_hub.add_user("somebody")
    dev_hub.fail("/api/rest/users/me", status=503)
    assert hub_browser(app).get("/private", as_="somebody").status_code == 503


def test_the_calls_of_the_dev_hub_are_dicts_of_every_request(
    dev_hub: HubInMemory, app: Flask, hub_browser: OpenBrowser
) -> None:
    hub_browser(app).get("/private", as_="jane")
    (call,) = [call for call in dev_hub.calls if call["path"] == TOKEN_PATH]
    assert call == {
        "method": "POST",
        "path": TOKEN_PATH,
        "grant": "authorization_code",
        "client_id": dev_hub.service_id,
        "status": 200,
        "time": call["time"],
    }


def test_the_dev_hub_fails_as_it_is_told(dev_hub: HubInMemory, app: Flask, hub_browser: OpenBrowser) -> None:
    browser = hub_browser(app)
    dev_hub.fail(TOKEN_PATH, status=503, times=1)
    assert browser.get("/private", as_="jane").status_code == 503
    assert browser.get("/private").status_code == 200
    for transport in ("refuse", "hang", "reset"):
        other = hub_browser(app)
        dev_hub.fail(TOKEN_PATH, transport=transport)
        assert other.get("/private", as_="jane").status_code == 503, transport
        dev_hub.mend()
    with pytest.raises(ValueError, match="colour"):
        dev_hub.fail(TOKEN_PATH, colour="blue")


@pytest.mark.parametrize("fields", [{}, {"times": 3}, {"status": None}])
def test_a_failure_of_which_nothing_is_said_is_refused(dev_hub: HubInMemory, fields: dict[str, Any]) -> None:
    """It would do nothing, and the test that has it would prove nothing."""
    with pytest.raises(ValueError, match=r"status=503: one of status, delay, body, headers, transport, id_token$"):
        dev_hub.fail(**fields)


def test_expiring_and_revoking_at_the_dev_hub_is_seen_by_the_application(
    dev_hub: HubInMemory, app: Flask, hub_browser: OpenBrowser, hub_clock: Clock
) -> None:
    browser = hub_browser(app)
    browser.get("/private", as_="jane")
    dev_hub.expire()
    hub_clock.advance(301)
    assert browser.get("/").text == "jane"
    assert [call["grant"] for call in dev_hub.calls if call["path"] == TOKEN_PATH][-1] == "refresh_token"
    dev_hub.revoke("jane")
    hub_clock.advance(301)
    assert browser.get("/").text == "nobody"


# hub_browser


def test_a_browser_signs_in_and_follows_every_redirect(app: Flask, hub_browser: OpenBrowser) -> None:
    answer = hub_browser(app).get("/private?x=1", as_="jane")
    assert (answer.status_code, answer.text) == (200, "GET jane 1")
    assert answer.request.path == "/private"


def test_a_browser_keeps_its_cookies_and_the_person(app: Flask, hub_browser: OpenBrowser, dev_hub: HubInMemory) -> None:
    browser = hub_browser(app)
    browser.get("/private", as_="jane")
    calls = len(dev_hub.calls)
    assert browser.get("/private").text == "GET jane "
    assert browser.post("/private", data={"text": "written"}).text == "POST jane written"
    assert len(dev_hub.calls) == calls
    assert hub_browser(app).get("/").text == "nobody"


def test_a_form_may_be_the_first_thing_that_somebody_sends(
    dev_hub: HubInMemory, app: Flask, hub_browser: OpenBrowser
) -> None:
    browser = hub_browser(app)
    assert browser.post("/private", as_="jane", data={"text": "written"}).text == "POST jane written"
    assert browser.post("/private", as_="john", data={"text": "too"}).text == "POST john too"
    assert hub_browser(app).post("/private", data={"text": "by nobody"}).status_code == 401
    assert hub_browser(app).post("/private", as_="mallory").status_code == 403


def test_a_browser_without_a_person_stops_at_hubs_login_page(app: Flask, hub_browser: OpenBrowser) -> None:
    answer = hub_browser(app).get("/private")
    assert answer.status_code == 200
    assert 'type="password"' in answer.text
    assert answer.request.host == "hub.test"


def test_another_person_at_the_same_browser_signs_in_over_the_first(app: Flask, hub_browser: OpenBrowser) -> None:
    browser = hub_browser(app)
    assert browser.get("/developers", as_="jane").text == "developer jane"
    assert browser.get("/developers", as_="john").status_code == 403
    assert browser.get("/").text == "john"
    assert browser.get("/developers", as_="jane").text == "developer jane"


@pytest.mark.parametrize("has_home", [False, True])
def test_another_person_is_there_although_the_start_page_is_not_for_them(
    dev_hub: HubInMemory, hub_browser: OpenBrowser, has_home: bool
) -> None:
    app = Flask(__name__)
    app.config.update(TESTING=True, SECRET_KEY="k" * 32, HUB_CACHE="memory://", **dev_hub.settings)
    HubAuth(app)
    app.add_url_rule("/reports", "reports", hub_group_required("Developers")(lambda: current_hub_user.login))
    app.add_url_rule("/me", "me", hub_login_required(lambda: current_hub_user.login))
    if has_home:
        app.add_url_rule("/", "home", hub_group_required("Developers")(lambda: "home"))
    browser = hub_browser(app)
    assert browser.get("/reports", as_="jane").text == "jane"
    assert browser.get("/reports", as_="john").status_code == 403
    assert browser.get("/me").text == "john"
    assert browser.get("/me", as_="jane").text == "jane"
    assert browser.get("/me", as_="mallory").status_code == 403
    assert browser.get("/me").text == "jane"


@pytest.mark.parametrize("was_there", [False, True])
def test_a_person_is_known_on_a_page_that_asks_nobody(app: Flask, hub_browser: OpenBrowser, was_there: bool) -> None:
    app.add_url_rule("/welcome", "welcome", hub_login_optional(lambda: current_hub_user.login or "stranger"))
    browser = hub_browser(app)
    if was_there:
        assert browser.get("/welcome").text == "stranger"
    assert browser.get("/welcome", as_="jane").text == "jane"
    assert browser.get("/welcome").text == "jane"


def test_a_person_at_a_browser_types_the_password_where_it_is_asked_for(
    app: Flask, hub_browser: OpenBrowser, hub_clock: Clock
) -> None:
    app.add_url_rule("/vault", "vault", hub_login_required(max_age=60)(lambda: current_hub_user.login))
    browser = hub_browser(app)
    assert browser.get("/vault", as_="jane").text == "jane"
    hub_clock.advance(62)
    assert browser.get("/vault").text == "jane"


def test_signing_in_at_hub_is_no_call_of_the_application_and_meets_no_fault(
    app: Flask, hub_browser: OpenBrowser, dev_hub: HubInMemory
) -> None:
    dev_hub.fail("*", transport="refuse")
    assert hub_browser(app).get("/", as_="jane").text == "nobody"
    assert dev_hub.calls == []


def test_an_application_leaves_no_login_in_its_own_instance_folder(
    dev_hub: HubInMemory, hub_browser: OpenBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But where a test says where they are kept, they are kept there."""
    (tmp_path / "shop.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def made(**more: Any) -> Flask:
        app = Flask("shop", **more)
        app.config.update(TESTING=True, SECRET_KEY=KEY, **dev_hub.settings)
        HubAuth(app)
        app.add_url_rule("/private", "private", hub_login_required(lambda: current_hub_user.login))
        return app

    app = made()
    assert hub_browser(app).get("/private", as_="jane").text == "jane"
    assert app.instance_path == str(tmp_path / "instance")
    assert not (tmp_path / "instance").exists()
    made(instance_path=str(tmp_path / "mine"))
    assert (tmp_path / "mine" / "hub-logins").is_dir()


def test_a_person_who_is_not_at_the_dev_hub_is_named(app: Flask, hub_browser: OpenBrowser) -> None:
    with pytest.raises(KeyError, match=r"make one: dev_hub.add_user\('nemo'\)"):
        hub_browser(app).get("/private", as_="nemo")


def test_a_browser_sends_what_a_test_asks_for(app: Flask, hub_browser: OpenBrowser) -> None:
    answer = hub_browser(app).get("/private", headers=SCRIPT)
    assert answer.status_code == 401
    assert answer.json["login_url"] == "/login?next=/private"


def test_a_banned_person_sees_a_page(app: Flask, hub_browser: OpenBrowser) -> None:
    assert hub_browser(app).get("/private", as_="mallory").status_code == 403


def test_a_redirect_that_goes_round_in_circles_is_told(app: Flask, hub_browser: OpenBrowser) -> None:
    app.add_url_rule("/round", "round", lambda: ("", 302, {"Location": "/round"}))
    with pytest.raises(AssertionError, match="redirects in a row"):
        hub_browser(app).get("/round")


@pytest.mark.parametrize("url", ["https://service.example", "http://localhost:5000/app", "https://service.example/a/b"])
def test_a_browser_uses_the_public_address_of_the_application(
    dev_hub: HubInMemory, hub_browser: OpenBrowser, url: str
) -> None:
    app = create_app(dev_hub, HUB_SERVICE_URL=url)
    browser = hub_browser(app)
    answer = browser.get("/private?x=1", as_="jane")
    assert (answer.status_code, answer.text) == (200, "GET jane 1")
    assert answer.request.url == f"{url}/private?x=1"
    assert browser.get(f"{url}/private?x=2").text == "GET jane 2"


# hub_login


def test_a_client_is_signed_in_without_a_round_trip(app: Flask, hub_login: SignIn, dev_hub: HubInMemory) -> None:
    client = app.test_client()
    hub_login(client, "jane")
    assert client.get("/developers").text == "developer jane"
    assert dev_hub.calls == []
    assert app.test_client().get("/").text == "nobody"


@pytest.mark.parametrize(("groups", "status"), [(["Developers"], 200), ([], 403), (["Quite New"], 403), (None, 403)])
def test_the_groups_of_who_is_signed_in_are_those_of_the_test(
    app: Flask, hub_login: SignIn, hub_clock: Clock, groups: list[str] | None, status: int
) -> None:
    client = app.test_client()
    hub_login(client, "john", groups=groups)
    assert client.get("/developers").status_code == status
    hub_clock.advance(301)
    assert client.get("/developers").status_code == status, "also when Hub is asked again"


def test_the_login_of_a_fixture_is_renewed_and_ends_like_any_other(
    app: Flask, hub_login: SignIn, hub_clock: Clock, dev_hub: HubInMemory
) -> None:
    client = app.test_client()
    hub_login(client, "jane")
    hub_clock.advance(3_601)
    assert client.get("/private").text == "GET jane "
    assert [call["grant"] for call in dev_hub.calls if call["path"] == TOKEN_PATH] == ["refresh_token"]
    client.post("/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert client.get("/").text == "nobody"


def test_a_login_of_nobody_is_told(app: Flask, hub_login: SignIn) -> None:
    with pytest.raises(KeyError, match=r"make one: dev_hub.add_user\('nemo'\)"):
        hub_login(app.test_client(), "nemo")


def test_an_application_without_the_extension_is_told_so(hub_login: SignIn, hub_browser: OpenBrowser) -> None:
    app = Flask("bare")
    app.testing = True
    with pytest.raises(RuntimeError, match="has no HubAuth"):
        hub_login(app.test_client(), "jane")
    with pytest.raises(RuntimeError, match="has no HubAuth"):
        hub_browser(app)


# hub_clock


@pytest.mark.parametrize("first", ["clock", "app"])
def test_the_clock_moves_both_sides_whenever_the_application_was_made(
    dev_hub: HubInMemory, request: pytest.FixtureRequest, first: str
) -> None:
    clock = request.getfixturevalue("hub_clock") if first == "clock" else None
    app = create_app(dev_hub)
    clock = clock or request.getfixturevalue("hub_clock")
    browser = request.getfixturevalue("hub_browser")(app)
    browser.get("/private", as_="jane")
    began = dev_hub.clock()
    clock.advance(9 * 3600)
    assert dev_hub.clock() - began >= 9 * 3600
    assert browser.get("/").text == "nobody"


@pytest.mark.parametrize("seconds", [25 * 3600, 40 * 86400, -3 * 86400])
def test_people_sign_in_at_any_time(
    dev_hub: HubInMemory, app: Flask, hub_browser: OpenBrowser, hub_clock: Clock, seconds: int
) -> None:
    hub_clock.advance(seconds)
    browser = hub_browser(app)
    assert browser.get("/private", as_="jane").text == "GET jane "
    assert browser.get("/private").text == "GET jane "
    assert [call["path"] for call in dev_hub.calls].count(TOKEN_PATH) == 1, "the first login was kept"


def test_after_the_test_the_time_is_the_real_one() -> None:
    assert isinstance(time.time, type(time.monotonic))


# Production


@pytest.mark.parametrize("flag", ["TESTING", "DEBUG"])
def test_the_fixtures_work_where_debug_or_testing_is_on(
    dev_hub: HubInMemory, hub_browser: OpenBrowser, flag: str
) -> None:
    settings = {"TESTING": False, "HUB_SERVICE_URL": "https://service.example", flag: True}
    app = create_app(dev_hub, **settings)
    assert hub_browser(app).get("/private", as_="jane").status_code == 200


def test_the_fixtures_refuse_an_application_in_production(
    dev_hub: HubInMemory, hub_browser: OpenBrowser, hub_login: SignIn
) -> None:
    """Everybody knows the passwords of a dev Hub."""
    app = create_app(dev_hub, TESTING=False, HUB_SERVICE_URL="https://service.example")
    with pytest.raises(RuntimeError, match="DEBUG or TESTING"):
        hub_browser(app)
    with pytest.raises(RuntimeError, match="DEBUG or TESTING"):
        hub_login(app.test_client(), "jane")


def test_the_dev_hub_answers_no_application_in_production(dev_hub: HubInMemory, hub_browser: OpenBrowser) -> None:
    app = create_app(dev_hub, HUB_SERVICE_URL="https://service.example")
    browser = hub_browser(app)
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(RuntimeError, match="DEBUG or TESTING"):
        browser.get("/private", as_="jane")


def test_hub_login_may_say_when_the_password_was_entered(app: Flask, hub_clock: Clock, hub_login: SignIn) -> None:
    app.add_url_rule("/vault", "vault", hub_login_required(max_age=60)(lambda: "gold"))
    client = app.test_client()
    hub_login(client, "jane")
    assert client.get("/vault").status_code == 401
    hub_login(client, "jane", authenticated_at=time.time())
    assert client.get("/vault").text == "gold"
    hub_clock.advance(62)
    assert client.get("/vault").status_code == 401
