"""The three addresses of the login: their methods, the sign-out and its page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import StrictUndefined

from flask_hub_auth import HubAuth
from flask_hub_auth.testing.hub import HubInMemory

from ..visiting import NAVIGATION, SCRIPT, Visitor, plain_app

MakeSite = Callable[..., Flask]
Visit = Callable[[Flask], Visitor]
SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/login", {"GET"}), ("/authorized", {"GET"}), ("/logout", {"GET", "POST"})],
)
def test_another_method_is_told_which_are_allowed(visitor: Visitor, path: str, methods: set[str]) -> None:
    """S30."""
    for method in {"HEAD", "OPTIONS", "GET", "POST", "PUT", "DELETE"} - methods:
        answer = visitor.open(path, method)
        assert answer.status_code == 405
        assert set(re.split(", ?", answer.headers["Allow"])) - {"HEAD"} == methods


def test_the_paths_are_those_of_the_settings(make_site: MakeSite, visit: Visit) -> None:
    visitor = visit(make_site(HUB_LOGIN_PATH="/a/in", HUB_REDIRECT_PATH="/a/back", HUB_LOGOUT_PATH="/a/out"))
    visitor.sign_in("/a/in")
    assert visitor.who() == "jane"
    assert 'action="/a/out"' in visitor.open("/a/out").text
    assert visitor.open("/a/out", "POST", headers=SAME).status_code == 302
    assert [visitor.open(path).status_code for path in ("/login", "/authorized", "/logout")] == [404] * 3


@pytest.mark.parametrize("path", ["/logout", "/authorized", "/private"])
def test_our_pages_load_nothing_from_elsewhere_and_are_kept_and_framed_by_nobody(visitor: Visitor, path: str) -> None:
    """S37, L10, L11."""
    answer = visitor.open(path, "POST" if path == "/private" else "GET")
    assert answer.mimetype == "text/html"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)
    assert 'lang="en"' in answer.text
    assert 'name="viewport"' in answer.text
    (style,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', answer.text)
    with visitor.open(style) as css:
        assert (css.status_code, css.mimetype) == (200, "text/css")
        assert "prefers-color-scheme" in css.text or "light-dark" in css.text


@pytest.mark.parametrize(
    "headers",
    [
        SAME,
        {"Origin": "http://localhost:5000"},
        {**SAME, "Origin": "null"},
    ],
    ids=str,
)
def test_a_form_of_this_site_signs_out(visitor: Visitor, headers: dict[str, str]) -> None:
    """S49, S51."""
    visitor.sign_in()
    kept = visitor.cookies()["session"]
    answer = visitor.open("/logout", "POST", headers=headers)
    assert (answer.status_code, answer.location) == (302, "/")
    assert answer.headers["Cache-Control"] == "no-store"
    assert visitor.logins() == 0
    visitor.client.set_cookie("session", kept)
    assert visitor.who() == "nobody"
    assert visitor.open("/private", headers=SCRIPT).status_code == 401


def test_the_button_on_the_page_signs_out_also_without_any_header(visitor: Visitor) -> None:
    """S51."""
    visitor.sign_in()
    page = visitor.open("/logout")
    token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert len(token) == 43
    assert visitor.who() == "jane"
    assert visitor.open("/logout", "POST", headers={}, data={"csrf_token": token}).status_code == 302
    assert visitor.who() == "nobody"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "csrf_token is missing; in a template: {{ hub_csrf_token() }}"),
        ({"csrf_token": "A" * 43}, "csrf_token is not the one of this login"),
    ],
)
def test_a_form_without_its_token_is_told_to_the_developer_and_offers_the_button(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, form: dict[str, str], told: str
) -> None:
    """S51."""
    visitor.sign_in()
    answer = visitor.open("/logout", "POST", data=form, headers={"Accept": "text/html"})
    assert answer.status_code == 400
    assert "You were not signed out" in answer.text
    assert 'href="/logout">Try again<' in answer.text
    assert "Sign in again" not in answer.text
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert told in record.getMessage()
    assert visitor.who() == "jane"


def test_the_token_of_the_form_is_another_one_for_every_login(visitor: Visitor) -> None:
    """S51."""
    tokens = set()
    for _ in range(3):
        visitor.sign_in("/login")
        page = visitor.open("/logout").text
        tokens.add(page.partition('name="csrf_token" value="')[2].partition('"')[0])
    assert len(tokens) == 3


def test_the_cookie_of_the_session_is_cleared_with_its_attributes(visitor: Visitor) -> None:
    """S49, L13."""
    visitor.sign_in()
    answer = visitor.open("/logout", "POST", headers=SAME)
    (cleared,) = [cookie for cookie in answer.headers.getlist("Set-Cookie") if cookie.startswith("session=")]
    for attribute in ("session=;", "Max-Age=0", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert attribute in cleared


@pytest.mark.parametrize(("next", "location"), [("/bye?x=1", "/bye?x=1"), ("//evil.example", "/out"), (None, "/out")])
def test_a_sign_out_goes_where_the_form_says_if_that_is_here(
    make_site: MakeSite, visit: Visit, next: str | None, location: str
) -> None:
    """S16."""
    visitor = visit(make_site(HUB_AFTER_LOGOUT="/out"))
    visitor.sign_in()
    form = {} if next is None else {"next": next}
    assert visitor.open("/logout", "POST", headers=SAME, data=form).location == location


@pytest.mark.alone
def test_a_sign_out_works_while_hub_is_away_and_does_not_wait_for_it(visitor: Visitor, dev_hub: HubInMemory) -> None:
    """S52."""
    visitor.sign_in()
    calls = len(dev_hub.calls)
    dev_hub.fail(status=503, delay=3)
    began = time.monotonic()
    assert visitor.open("/logout", "POST", headers=SAME).status_code == 302
    assert time.monotonic() - began < 1
    assert len(dev_hub.calls) == calls
    assert visitor.logins() == 0


def test_a_sign_out_in_one_tab_signs_every_tab_out(visitor: Visitor, visit: Visit) -> None:
    """R53."""
    visitor.sign_in()
    tabs = [visit(visitor.app) for _ in range(3)]
    for tab in tabs:
        tab.client.set_cookie("session", visitor.cookies()["session"])
        assert tab.who() == "jane"
    visitor.open("/logout", "POST", headers=SAME)
    assert [tab.who() for tab in tabs] == ["nobody"] * 3


def test_nobody_can_sign_out_twice_and_loses_nothing_by_it(make_site: MakeSite, visit: Visit) -> None:
    app = make_site()
    from flask import session

    @app.get("/basket")
    def basket() -> str:
        return str(session.setdefault("basket", "full"))

    visitor = visit(app)
    visitor.open("/basket")
    token = visitor.open("/logout").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert visitor.open("/logout", "POST", headers=SAME, data={"csrf_token": token}).status_code == 302
    with visitor.client.session_transaction() as kept:
        assert kept["basket"] == "full"


def test_people_can_switch_while_they_are_signed_in(visitor: Visitor) -> None:
    visitor.sign_in(as_="john")
    assert visitor.sign_in("/login?next=/private", as_="jane").location == "/private"
    assert visitor.who() == "jane"


def test_an_application_can_put_its_own_page_in_place_of_ours(make_site: MakeSite, tmp_path: Path) -> None:
    folder = tmp_path / "hub_auth"
    folder.mkdir()
    (folder / "page.html").write_text("<p>ours: {{ problem.hub_code }} {{ login_url }}")
    app = make_site()
    app.jinja_loader.searchpath.append(str(tmp_path))  # type: ignore[union-attr]
    answer = app.test_client().get("/authorized", headers=NAVIGATION)
    assert answer.status_code == 400
    assert answer.text == "<p>ours: HUB-400 /login"


ENVIRONMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "usual": ({}, "{{ %s }}{%% block content %%}{%% endblock %%}"),
    "beside Angular": (
        {"variable_start_string": "[[", "variable_end_string": "]]"},
        "[[ %s ]]{%% block content %%}{%% endblock %%}",
    ),
    "statements in lines": (
        {
            "block_start_string": "<%",
            "block_end_string": "%>",
            "comment_start_string": "<#",
            "comment_end_string": "#>",
            "line_statement_prefix": "#",
            "line_comment_prefix": "##",
        },
        "{{ %s }}<%% block content %%><%% endblock %%>",
    ),
    "strict": ({"undefined": StrictUndefined}, "{{ %s }}{%% block content %%}{%% endblock %%}"),
    "asynchronous": ({"enable_async": True}, "{{ %s }}{%% block content %%}{%% endblock %%}"),
}
OWN = "own ~ url_for('hub_auth.login') ~ (problem.hub_code if problem else '')"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_pages_look_alike_whatever_templates_an_application_writes(name: str, dev_hub: HubInMemory) -> None:
    app = plain_app(dev_hub)
    app.jinja_options, _ = ENVIRONMENTS[name]
    HubAuth(app)
    client = app.test_client()
    problem, button = (client.get(path, headers=NAVIGATION) for path in ("/authorized", "/logout"))
    assert (problem.status_code, button.status_code) == (400, 200)
    for answer, heading in ((problem, "This request cannot be accepted"), (button, "Sign out?")):
        assert f"<h1>{heading}</h1>" in answer.text
        assert '<link rel="stylesheet" href="/hub_auth/static/hub_auth.css">' in answer.text
        assert not [mark for mark in ("{{", "{%", "{#", "None") if mark in answer.text]
    token = button.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert client.post("/logout", data={"csrf_token": token}).status_code == 302


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_page_of_the_application_is_written_as_its_other_templates(
    name: str, dev_hub: HubInMemory, tmp_path: Path
) -> None:
    """It has the application's own names too, and the page of /logout fills it."""
    (tmp_path / "hub_auth").mkdir()
    app = plain_app(dev_hub)
    app.jinja_options, page = ENVIRONMENTS[name]
    (tmp_path / "hub_auth" / "page.html").write_text(page % OWN)
    app.jinja_loader.searchpath.append(str(tmp_path))  # type: ignore[union-attr]
    app.jinja_env.globals["own"] = "mine:"
    HubAuth(app)
    client = app.test_client()
    assert client.get("/authorized", headers=NAVIGATION).text == "mine:/loginHUB-400"
    button = client.get("/logout").text
    assert button.startswith("mine:/login\n    <h1>Sign out?</h1>")
    token = button.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert client.post("/logout", data={"csrf_token": token}).status_code == 302


@pytest.mark.parametrize("template", ["{{ nothing.at.all }}", "{% broken", "{{ 1/0 }}"])
def test_a_broken_page_of_the_application_is_replaced_by_a_plain_one(
    make_site: MakeSite, tmp_path: Path, template: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "hub_auth"
    folder.mkdir()
    (folder / "page.html").write_text(template)
    app = make_site()
    app.jinja_loader.searchpath.append(str(tmp_path))  # type: ignore[union-attr]
    answer = app.test_client().get("/authorized", headers=NAVIGATION)
    assert answer.status_code == 400
    assert "HUB-400" in answer.text
    assert "could not be rendered" in caplog.text


def test_a_view_of_the_application_may_read_what_the_login_left(visitor: Visitor) -> None:
    visitor.sign_in()
    answers: list[Any] = [visitor.open("/"), visitor.open("/private")]
    assert [answer.text for answer in answers] == ["jane", "private jane"]
