"""What goes wrong, as people and scripts see it, and what nobody may see in it."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.debug import DebuggedApplication
from werkzeug.exceptions import HTTPException
from werkzeug.test import Client

import flask_hub_auth
from flask_hub_auth import (
    AccessDenied,
    HubAuth,
    HubConfigError,
    HubError,
    HubProtocolError,
    HubRefused,
    HubUnavailable,
    LoginFailed,
    LoginRequired,
    StoreUnavailable,
    TokenRejected,
    current_hub_token,
    hub_login_required,
)
from flask_hub_auth.errors import CODES
from flask_hub_auth.seldom import Seldom
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock
from flask_hub_auth.tokens.sessions import end_sessions

from .visiting import KEY, NAVIGATION, SCRIPT, TOKEN_PATH, Visitor, add_page, add_views, plain_app, query

MakeSite = Callable[..., Flask]
Visit = Callable[[Flask], Visitor]

STATUSES: dict[type[HubError], int] = {
    HubUnavailable: 503,
    StoreUnavailable: 503,
    HubProtocolError: 502,
    HubRefused: 502,
    TokenRejected: 502,
    LoginFailed: 400,
    LoginRequired: 401,
    AccessDenied: 403,
}
PARENTS: dict[type[HubError], type[HubError]] = {
    HubConfigError: HubError,
    HubUnavailable: HubError,
    StoreUnavailable: HubUnavailable,
    HubProtocolError: HubError,
    HubRefused: HubError,
    TokenRejected: HubRefused,
    LoginFailed: HubError,
    LoginRequired: HubError,
    AccessDenied: HubError,
}
MADE: list[HubError] = [
    HubUnavailable("canary text"),
    StoreUnavailable("canary text"),
    HubProtocolError("canary text"),
    HubRefused("invalid_scope", "canary text"),
    TokenRejected("invalid_grant", "canary text"),
    LoginFailed("canary text"),
    LoginRequired("canary text"),
    AccessDenied("canary text"),
]


def named(error: object) -> str:
    return type(error).__name__ if isinstance(error, Exception) else str(error)


def raising(app: Flask, error: Exception) -> Flask:
    @app.get("/raise")
    def view() -> str:
        raise error

    return app


def test_the_tree_of_errors_is_as_it_is_drawn() -> None:
    for error, parent in PARENTS.items():
        assert issubclass(error, parent)
        assert getattr(flask_hub_auth, error.__name__) is error
    for error, status in STATUSES.items():
        assert issubclass(error, HTTPException)
        assert error.code == status
    assert not issubclass(HubConfigError, HTTPException)


@pytest.mark.parametrize("error", MADE, ids=named)
def test_an_error_in_a_view_is_a_page_with_a_code_and_a_plain_sentence(make_site: MakeSite, error: HubError) -> None:
    """L8, L10: no text of the exception."""
    answer = raising(make_site(), error).test_client().get("/raise", headers=NAVIGATION)
    assert answer.status_code == STATUSES[type(error)]
    assert answer.mimetype == "text/html"
    code = re.search(r"HUB-\d{3}", answer.text)
    assert code
    for sentence in CODES[code[0]]:
        assert sentence in answer.text.replace("&#39;", "'")
    assert re.search(r"· [0-9a-f]{8}<", answer.text)
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("error", MADE, ids=named)
def test_an_error_in_a_view_is_problem_details_for_scripts(make_site: MakeSite, error: HubError) -> None:
    """L8, L11, S69."""
    answer = raising(make_site(), error).test_client().get("/raise?x=1", headers=SCRIPT)
    status = STATUSES[type(error)]
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    document = answer.json
    assert document["type"] == f"urn:flask-hub-auth:{document['code']}"
    assert document["status"] == status
    assert document["title"] == CODES[document["code"]][0]
    assert ("login_url" in document) == (status == 401)
    assert document.get("login_url", "") in ("", "/login?next=/raise%3Fx%3D1")
    assert "canary" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert {"Accept", "Cookie"} <= set(answer.vary)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("accept", "mode", "html"),
    [
        ("text/html", None, True),
        ("text/html,*/*;q=0.8", None, True),
        ("application/json", "navigate", True),
        ("*/*", "navigate", True),
        ("", None, False),
        ("*/*", None, False),
        ("application/json", None, False),
        ("application/problem+json", None, False),
        ("text/html;q=0.5,application/json", None, False),
        ("text/html,application/problem+json;q=0.9", None, True),
        ("application/xml", None, False),
        ("text/plain", "cors", False),
        ("text/html", "cors", True),
        ("nonsense;;;", None, False),
        ("text/html;q=nan", None, False),
    ],
)
def test_people_get_html_and_scripts_get_json(make_site: MakeSite, accept: str, mode: str | None, html: bool) -> None:
    headers = {"Accept": accept} | ({"Sec-Fetch-Mode": mode} if mode else {})
    answer = raising(make_site(), LoginFailed()).test_client().get("/raise", headers=headers)
    assert (answer.mimetype == "text/html") is html
    assert answer.mimetype in ("text/html", "application/problem+json")


@pytest.mark.parametrize("error", MADE, ids=named)
@pytest.mark.parametrize("by", ["class", "number", "base", "HTTPException"])
def test_a_handler_of_the_application_replaces_the_page(make_site: MakeSite, error: HubError, by: str) -> None:
    app = raising(make_site(), error)
    kinds: dict[str, Any] = {
        "class": type(error),
        "number": STATUSES[type(error)],
        "base": HubError,
        "HTTPException": HTTPException,
    }
    app.register_error_handler(kinds[by], lambda caught: (f"own page of {named(caught)}", 418))
    answer = app.test_client().get("/raise", headers=NAVIGATION)
    assert (answer.status_code, answer.text) == (418, f"own page of {named(error)}")


@pytest.mark.parametrize(
    ("by", "path", "status"),
    [
        (401, "/private", 401),
        (LoginRequired, "/private", 401),
        (403, "/developers", 403),
        (AccessDenied, "/developers", 403),
        (400, "/authorized", 400),
        (LoginFailed, "/authorized", 400),
    ],
)
def test_a_handler_of_the_application_replaces_what_guards_and_logins_say(
    make_site: MakeSite, visit: Visit, by: Any, path: str, status: int
) -> None:
    app = make_site()
    app.register_error_handler(by, lambda caught: (f"own {caught.code}", caught.code))
    visitor = visit(app)
    if status == 403:
        visitor.sign_in(as_="john")
    answer = visitor.open(path, headers=SCRIPT)
    assert (answer.status_code, answer.text) == (status, f"own {status}")


@pytest.mark.parametrize(("person", "error"), [("mallory", 403), ("mallory", AccessDenied), ("jane", 503)])
def test_a_handler_of_the_application_replaces_what_the_callback_says(
    make_site: MakeSite, visit: Visit, dev_hub: HubInMemory, person: str, error: Any
) -> None:
    app = make_site()
    app.register_error_handler(error, lambda caught: (f"own {caught.hub_code}", 418))
    visitor = visit(app)
    if error == 503:
        dev_hub.fail(TOKEN_PATH, status=503)
    answer = visitor.sign_in(as_=person)
    assert answer.status_code == 418
    assert answer.text in ("own HUB-110", "own HUB-201")
    assert not [name for name in visitor.cookies() if name.startswith("hub_login_")]


def test_a_navigation_is_sent_to_hub_also_where_401_has_a_handler(make_site: MakeSite, visit: Visit) -> None:
    """The redirect is an answer, not an error."""
    app = make_site()
    app.register_error_handler(401, lambda caught: ("own", 401))
    assert visit(app).begin("/private")


def test_a_store_that_is_away_is_503_and_nobody_is_signed_out(make_site: MakeSite, visit: Visit, tmp_path: Any) -> None:
    """S68."""
    folder = tmp_path / "logins"
    visitor = visit(make_site(HUB_CACHE=f"file://{folder}"))
    visitor.sign_in()
    folder.rename(tmp_path / "away")
    for path in ("/private", "/developers", "/"):
        answer = visitor.open(path, headers=SCRIPT)
        assert (answer.status_code, answer.json["code"]) == (503, "HUB-301")
        assert int(answer.headers["Retry-After"]) > 0
        assert visitor.open(path, headers=NAVIGATION).status_code == 503
    assert visitor.open("/logout", "POST", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 503
    (tmp_path / "away").rename(folder)
    assert visitor.who() == "jane"


def test_a_login_while_the_store_is_away_is_503_and_works_afterwards(
    make_site: MakeSite, visit: Visit, tmp_path: Any
) -> None:
    """S42."""
    folder = tmp_path / "logins"
    visitor = visit(make_site(HUB_CACHE=f"file://{folder}"))
    callback = visitor.answer(visitor.begin())
    folder.rename(tmp_path / "away")
    assert visitor.come_back(callback).status_code == 503
    (tmp_path / "away").rename(folder)
    assert visitor.who() == "nobody"
    assert visitor.sign_in().status_code == 302


@pytest.mark.parametrize("path", ["/private", "/login?silent=1"])
def test_what_comes_from_outside_is_one_short_printable_line_in_the_log(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """L9, S19."""
    caplog.set_level("DEBUG")
    state = query(visitor.begin(path))["state"]
    words = quote("invalid_scope\r\nFORGED line \x1b[31m \u202e" + "x" * 5_000)
    visitor.open(f"/authorized?state={state}&error={words}&error_description={words}")
    texts = [record.getMessage() for record in caplog.records if record.name.startswith("flask_hub_auth")]
    assert any("FORGED" in text for text in texts)
    assert all(text.isprintable() for text in texts)
    assert max(map(len, texts)) < 600


@pytest.mark.parametrize("user_id", ["x\r\nFORGED line \x1b[31m \u202e\u2028", "x" * 5_000])
def test_an_id_of_hubs_is_short_and_printable_in_the_log_and_stays_as_it_is(
    user_id: str,
    make_site: MakeSite,
    visit: Visit,
    dev_hub: HubInMemory,
    hub_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """L9: from the sign-in to the end of a login."""
    caplog.set_level("DEBUG")
    dev_hub.fail("/api/rest/users/me", body=json.dumps({"id": user_id, "login": "x"}))
    app = make_site()
    visitor = visit(app)
    visitor.sign_in()
    assert visitor.open("/developers").status_code == 403
    hub_clock.advance(3_600)
    dev_hub.fail(TOKEN_PATH, status=503, times=1)
    assert visitor.open("/private").status_code == 200
    hub_clock.advance(31)
    assert visitor.open("/private").status_code == 200
    assert app.extensions["hub_auth"].keeper.logins.people.of(user_id)
    dev_hub.revoke("jane")
    hub_clock.advance(3_600)
    assert visitor.who() == "nobody"
    visitor.sign_in()
    with app.app_context():
        assert end_sessions(app.extensions["hub_auth"].keeper, user_id) == 1
    texts = [record.getMessage() for record in caplog.records if record.name.startswith("flask_hub_auth")]
    told = "login ok", "HUB-403", "Hub could not be asked", "token renewed", "Hub says no", "reason=ended"
    assert [words for words in told if not any(words in text for text in texts)] == []
    assert [text for text in texts if not text.isprintable()] == []
    assert max(map(len, texts)) < 400


def test_the_reference_on_a_page_is_in_the_log(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """L1."""
    caplog.set_level("INFO")
    reference = visitor.open("/authorized", headers=SCRIPT).json["reference"]
    assert f"reference={reference}" in caplog.text
    assert "HUB-400" in caplog.text


@pytest.mark.parametrize("kind", [HubUnavailable, StoreUnavailable])
def test_an_outage_is_told_every_ten_seconds_and_all_of_it_to_who_wants_to_know(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: type[HubUnavailable]
) -> None:
    """R30, L1: a line for each request would fill the log."""
    monkeypatch.setattr(kind, "may_warn", Seldom())
    caplog.set_level("INFO")
    problems = [kind("nobody there") for _ in range(100)]
    for problem in problems:
        assert problem.get_response({}).status_code == 503
    assert all(f"reference={problem.reference}" in caplog.text for problem in problems)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING"] + ["INFO"] * 99


def test_every_code_has_a_title_and_a_sentence() -> None:
    numbers = {101, 102, 103, 104, 105, 110, 111, 112, 113, 201, 202, 203, 301, 400, 401, 403}
    assert {f"HUB-{number}" for number in numbers} <= CODES.keys()
    assert all(title and sentence.endswith(".") for title, sentence in CODES.values())


# Handlers of the application for all of Werkzeug's exceptions


def as_json(error: HTTPException) -> Any:
    """As Flask's documentation has it under "Generic Exception Handlers"."""
    response = error.get_response()
    response.data = json.dumps({"code": error.code, "name": error.name, "description": error.description})  # type: ignore[attr-defined]
    response.content_type = "application/json"
    return response


def test_a_handler_for_all_exceptions_tells_visitors_the_sentence_and_not_the_log(
    make_site: MakeSite, visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    """L8"""
    app = make_site()
    app.register_error_handler(HTTPException, as_json)
    visitor = visit(app)
    visitor.sign_in(as_="john")
    with caplog.at_level(logging.INFO, "flask_hub_auth"):
        answer = visitor.open("/developers", headers=SCRIPT)
    assert answer.json == {"code": 403, "name": "Forbidden", "description": CODES["HUB-403"][1]}
    assert "lacks what is needed, the group Developers" in caplog.text
    error = AccessDenied("The user 1 lacks it.")
    assert (str(error), error.message, error.description) == (*["The user 1 lacks it."] * 2, CODES["HUB-403"][1])
    assert HubRefused("invalid_scope", "Hub's word").description == "Hub's word"


def test_the_realm_is_known_where_an_answer_is_made_without_its_request(make_site: MakeSite) -> None:
    app = make_site()
    realm = f'realm="{app.config["HUB_SERVICE_ID"]}"'
    app.register_error_handler(HTTPException, as_json)
    answer = app.test_client().get("/private", headers=SCRIPT)
    assert answer.headers["WWW-Authenticate"] == f"Bearer {realm}"
    answer = app.test_client().get("/private", headers={**SCRIPT, "Authorization": "Bearer junk"})
    assert answer.headers["WWW-Authenticate"] == f'Bearer {realm}, error="invalid_token"'
    with app.app_context():
        assert LoginRequired().get_response().headers["WWW-Authenticate"] == f"Bearer {realm}"
    with Flask("another").app_context():
        assert LoginRequired().get_response().headers["WWW-Authenticate"] == 'Bearer realm="hub"'


# Secrets


class Everything(logging.Handler):
    """All that is logged, with the tracebacks and the values of their names."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.exc_info and record.exc_info[1]:
            self.lines += shown(record.exc_info[1])


def shown(error: BaseException) -> list[str]:
    """An error as error trackers show it: with the values of all names in its frames that are ours."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return list(told.format())


@pytest.fixture
def logged() -> Iterator[Everything]:
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_secret_is_in_any_answer_or_log_line_whatever_happens(
    hub_clock: Clock, dev_hub: HubInMemory, visit: Visit, logged: Everything, tmp_path: Any
) -> None:
    """S43, S44, L1, L6: tokens, code, verifier, secret, keys and handle, in any usual spelling."""
    dev_hub.service.secret = "canary-service-secret"
    app = plain_app(dev_hub, HUB_CACHE=f"file://{tmp_path}/logins")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    HubAuth(app)
    add_views(app)
    secrets: set[str] = {KEY, "canary-service-secret"}

    @app.get("/token")
    @hub_login_required
    def token() -> str:
        secrets.add(current_hub_token.access_token.reveal())
        if current_hub_token.refresh_token:
            secrets.add(current_hub_token.refresh_token.reveal())
        return "read"

    @app.get("/break")
    @hub_login_required
    def break_down() -> str:
        token = current_hub_token
        raise RuntimeError(f"broken with {token}")

    add_page(app, "/public", "public")
    visitor = visit(app)
    seen: list[str] = []

    def go(path: str, method: str = "GET", **options: Any) -> Any:
        answer = visitor.open(path, method, **options)
        ours = [(name, value) for name, value in answer.headers if name not in ("Set-Cookie", "Location")]
        seen.extend([answer.text, *(f"{name}: {value}" for name, value in ours)])
        if "hub.test" not in answer.headers.get("Location", ""):
            seen.append(answer.headers.get("Location", ""))
        return answer

    for headers in (NAVIGATION, SCRIPT):
        begun = visitor.begin("/login?next=/private")
        callback = visitor.answer(begun)
        secrets |= {query(callback)["code"]}
        handled = query(callback)["state"]
        go(callback, headers=headers)
        with visitor.client.session_transaction() as kept:
            secrets.add(kept["hub_login"])
        for path in ("/", "/private", "/token", "/developers", "/break", "/public", "/logout", "/nowhere", callback):
            go(path, headers=headers)
        hub_clock.advance(3_601)
        go("/token", headers=headers)
        for fault in (
            {"path": TOKEN_PATH, "status": 500},
            {"path": TOKEN_PATH, "body": '{"access_token": "echo", "oops": tru'},
            {"path": TOKEN_PATH, "status": 400, "body": '{"error": "invalid_client"}'},
            {"path": "*", "transport": "refuse"},
            {"path": "*", "status": 200, "body": "<html>"},
        ):
            hub_clock.advance(3_601)
            dev_hub.fail(**fault)
            for path in ("/private", "/token", "/developers", "/break"):
                go(path, headers=headers)
            failing = visitor.open("/login?next=/private")
            dev_hub.mend()
            again = visitor.answer(failing.location)
            secrets.add(query(again)["code"])
            dev_hub.fail(**fault)
            go(again, headers=headers)
            dev_hub.mend()
        go("/logout", "POST", headers={**headers, "Sec-Fetch-Site": "same-origin"})
        go(f"/authorized?state={handled}&code=x", headers=headers)

    state = app.extensions["hub_auth"]
    seen += logged.lines
    seen += [repr(state), *(repr(getattr(state, name)) for name in state.__slots__)]
    seen += [file.read_bytes().decode("latin-1") for file in (tmp_path / "logins").rglob("*") if file.is_file()]
    assert len(secrets) > 20
    everything = "\n".join(seen)
    assert "login ok" in everything
    leaked = [secret for secret in secrets for spelt in (secret, quote(secret, safe="")) if spelt in everything]
    assert leaked == []


@pytest.mark.parametrize("path", ["/authorized", "/private", "/developers"])
def test_the_page_of_the_debugger_shows_no_secret(
    hub_clock: Clock, dev_hub: HubInMemory, visit: Visit, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L18, L19: whatever breaks inside of us."""
    from flask_hub_auth.hub import HubRest

    dev_hub.service.secret = "canary-service-secret"
    app = plain_app(dev_hub, DEBUG=True)
    HubAuth(app)
    add_views(app)
    visitor = visit(app)
    visitor.sign_in()
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies().items())
    callback = visitor.answer(visitor.begin("/login"))
    cookies += "".join(f"; {name}={value}" for name, value in visitor.cookies().items() if "login_" in name)

    def break_down(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(HubRest, "me", break_down)
    if path != "/authorized":
        hub_clock.advance(301)
    client = Client(DebuggedApplication(app, evalex=False), use_cookies=False)
    address = callback if path == "/authorized" else path
    page = client.get(address, headers={**NAVIGATION, "Cookie": cookies}, base_url="http://localhost:5000").text
    assert "RuntimeError: broken" in page
    with visitor.client.session_transaction() as kept:
        handle = kept["hub_login"]
    for secret in (KEY, "canary-service-secret", handle, query(callback)["code"], query(callback)["state"]):
        assert secret not in page
