from __future__ import annotations

import contextlib
import gc
import io
import pickle
import sys
from collections.abc import Callable
from typing import Any
from wsgiref.handlers import SimpleHandler

import pytest
from flask import Blueprint, Flask, abort, jsonify, render_template_string, request, session
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Response

from flask_hub_auth import (
    HubAuth,
    HubConfigError,
    StoreUnavailable,
    current_hub_permissions,
    current_hub_user,
    hub_bearer_required,
    hub_login_required,
    hub_public,
)
from flask_hub_auth.testing.hub import HubInMemory

from .visiting import KEY, NAVIGATION, OTHER_KEY, SCRIPT, Visitor, add_views, plain_app, query, site

MakeSite = Callable[..., Flask]
Visit = Callable[[Flask], Visitor]


def test_a_second_hubauth_on_one_application_is_refused(dev_hub: HubInMemory) -> None:
    app = plain_app(dev_hub)
    hub = HubAuth(app)
    for again in (lambda: HubAuth(app), lambda: hub.init_app(app), lambda: HubAuth().init_app(app)):
        with pytest.raises(HubConfigError, match=r"already has a HubAuth.*once"):
            again()


def test_one_hubauth_serves_several_applications(dev_hub: HubInMemory, visit: Visit) -> None:
    hub = HubAuth()
    visitors = []
    for name in ("one", "two"):
        app = plain_app(dev_hub, HUB_SERVICE_ID=name)
        dev_hub.add_service(type(dev_hub.service)(name, name, dev_hub.service_secret, redirect_uris=[]))
        dev_hub.people.services[name].redirect_uris.append("http://localhost:5000/authorized")
        dev_hub.people.services[name].trusted = True
        hub.init_app(app)
        add_views(app)
        visitors.append(visit(app))
    assert [query(visitor.begin())["client_id"] for visitor in visitors] == ["one", "two"]
    for visitor, person in zip(visitors, ("jane", "john"), strict=True):
        visitor.sign_in(as_=person)
    assert [visitor.who() for visitor in visitors] == ["jane", "john"]


def test_hubauth_keeps_nothing_of_an_application_alive(dev_hub: HubInMemory) -> None:
    hub = HubAuth()
    app = plain_app(dev_hub)
    hub.init_app(app)
    gone = [app.name]
    del app
    gc.collect()
    with pytest.raises(HubConfigError, match="belongs to one application"):
        Client(hub.guard(lambda environ, start: [])).get("/")
    assert gone


def test_several_problems_are_told_at_once(dev_hub: HubInMemory) -> None:
    """S93, S94, L7."""
    app = plain_app(dev_hub, SECRET_KEY="short", HUB_URL="http://hub.mycompany.com", HUB_CACHE=object(), HUB_COLOUR="x")
    with pytest.raises(HubConfigError) as caught:
        HubAuth(app)
    for word in ("SECRET_KEY", "HUB_URL", "HUB_CACHE", "HUB_COLOUR"):
        assert word in str(caught.value)
    assert "'short'" not in str(caught.value)
    assert "hub_auth" not in app.extensions


@pytest.mark.parametrize("settings", [{"TESTING": False}, {"TESTING": False, "HUB_SERVICE_URL": "http://a.example"}])
def test_in_production_the_public_address_must_be_given_and_be_https(
    dev_hub: HubInMemory, settings: dict[str, Any]
) -> None:
    """S54, S94."""
    with pytest.raises(HubConfigError, match="HUB_SERVICE_URL"):
        HubAuth(plain_app(dev_hub, **settings))


@pytest.mark.parametrize(
    ("settings", "secure", "samesite"),
    [
        ({}, False, "Lax"),
        ({"HUB_SERVICE_URL": "https://service.example"}, True, "Lax"),
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, False, "Strict"),
    ],
)
def test_the_session_cookie_is_closed_where_the_application_left_flasks_defaults(
    make_site: MakeSite, settings: dict[str, Any], secure: bool, samesite: str
) -> None:
    """S54."""
    app = make_site(**settings)
    assert app.config["SESSION_COOKIE_SECURE"] is secure
    assert app.config["SESSION_COOKIE_SAMESITE"] == samesite


@pytest.mark.parametrize("root", ["", "/app"])
@pytest.mark.parametrize("base", ["", "/app"])
def test_a_service_below_a_path_is_returned_to_whether_or_not_its_server_knows_the_path(
    make_site: MakeSite, visit: Visit, root: str, base: str
) -> None:
    app = make_site(HUB_SERVICE_URL=f"http://localhost:5000{base}")
    visitor = visit(app)
    seen = base or root

    def go(path: str, **options: Any) -> Any:
        return visitor.open(path, base_url=f"http://localhost:5000{root}", **options)

    begun = go("/private/a%20b?x=1")
    assert query(begun.location)["redirect_uri"] == f"http://localhost:5000{base}/authorized"
    callback = visitor.answer(begun.location).removeprefix(base)
    assert go(callback).location == f"{seen}/private/a%20b?x=1"
    assert go("/").text == "jane"
    page = go("/logout").text
    assert f'action="{base}/logout"' in page
    assert go("/logout", method="POST", headers={"Sec-Fetch-Site": "same-origin"}).location == f"{base}/"
    assert go("/private", headers=SCRIPT).json["login_url"] == f"{base}/login?next={seen}/private"
    htmx = go("/private", headers={"HX-Request": "true"})
    assert htmx.headers["HX-Redirect"] == f"{base}/login?next={seen}/private"


@pytest.mark.parametrize(("base", "app_root"), [("", ""), ("/app", ""), ("/app", "/app")])
def test_a_mounted_application_is_guarded_and_returned_to(
    dev_hub: HubInMemory, visit: Visit, base: str, app_root: str
) -> None:
    app = plain_app(dev_hub, HUB_SERVICE_URL=f"http://localhost:5000{base}")
    hub = HubAuth(app)
    seen: list[bytes] = []

    def mounted(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["wsgi.input"].read())
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"mounted"]

    visitor = visit(app)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {f"{app_root}/m": hub.guard(mounted)})  # type: ignore[method-assign]

    def go(path: str, **options: Any) -> Any:
        return visitor.open(path, base_url="http://localhost:5000", **options)

    begun = go(f"{app_root}/m/page?x=1")
    callback = visitor.answer(begun.location).removeprefix(base)
    assert go(callback).location == f"{base}/m/page?x=1"
    assert go(f"{app_root}/m/page").text == "mounted"
    assert go(f"{app_root}/m/page", method="POST", data={"a": "b"}).text == "mounted"
    assert seen == [b"", b"a=b"]


def test_a_mounted_application_gets_the_form_of_a_caller_with_a_token(
    dev_hub: HubInMemory, client_of: Callable[..., FlaskClient]
) -> None:
    app = plain_app(dev_hub)
    hub = HubAuth(app)
    inner = Flask("inner")
    inner.post("/")(lambda: jsonify(request.form))  # type: ignore[arg-type,type-var]
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/m": hub.guard(inner.wsgi_app)})  # type: ignore[method-assign]
    token = {"Authorization": f"Bearer {dev_hub.token_for('jane')}"}
    answer = client_of(app).post("/m/", data={"a": "b"}, headers=token)
    assert answer.json == {"a": "b"}, answer.text
    assert client_of(app).post("/m/", data={"a": "b"}, headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_guard_gives_what_cannot_navigate_401(dev_hub: HubInMemory, client_of: Callable[..., FlaskClient]) -> None:
    app = plain_app(dev_hub)
    app.wsgi_app = HubAuth(app).guard(lambda environ, start: pytest.fail("it ran"))  # type: ignore[method-assign]
    answer = client_of(app).get("/", headers=SCRIPT)
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert client_of(app).get("/", headers=NAVIGATION).location.startswith(dev_hub.url)


def test_who_is_signed_in_at_one_application_is_nobody_at_one_mounted_in_it(dev_hub: HubInMemory, visit: Visit) -> None:
    """S13."""
    outer = plain_app(dev_hub)
    inner = site(dev_hub, HUB_SERVICE_ID="inner", SESSION_COOKIE_NAME="inner")
    hub = HubAuth(outer)
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/m": hub.guard(inner.wsgi_app)})  # type: ignore[method-assign]
    visitor = visit(outer)
    visitor.sign_in("/login")
    assert visitor.open("/m/").text == "nobody"


def test_a_view_that_hands_its_request_on_hands_nobody_on(dev_hub: HubInMemory, visit: Visit) -> None:
    """S13: one request may pass through two applications."""
    outer, inner = site(dev_hub), site(dev_hub, HUB_SERVICE_ID="inner", SESSION_COOKIE_NAME="inner")

    @outer.get("/both")
    def both() -> str:
        before = current_hub_user.login
        answer = Response.from_app(inner.wsgi_app, {**request.environ, "PATH_INFO": "/"})
        return f"{before} {answer.get_data(as_text=True)} {current_hub_user.login}"

    visitor = visit(outer)
    visitor.sign_in()
    assert visitor.open("/both").text == "jane nobody jane"


@pytest.fixture
def client_of() -> Callable[[Flask], FlaskClient]:
    return lambda app: app.test_client()


def test_a_view_can_begin_a_login(dev_hub: HubInMemory, visit: Visit) -> None:
    """S71."""
    app = plain_app(dev_hub, HUB_AFTER_LOGIN="/start")
    hub = HubAuth(app)
    app.get("/in")(lambda: hub.login(request.args.get("to"), request.args.get("how")))  # type: ignore[arg-type,type-var]
    visitor = visit(app)
    assert visitor.sign_in("/in").location == "/start"
    assert visitor.sign_in("/in?to=/there?x=1").location == "/there?x=1"
    assert visitor.sign_in("/in?to=//evil.example").location == "/start"
    assert query(visitor.begin("/in"))["request_credentials"] == "default"
    assert query(visitor.begin("/in?how=required"))["request_credentials"] == "required"


def test_a_view_can_sign_out(dev_hub: HubInMemory, visit: Visit) -> None:
    app = plain_app(dev_hub, HUB_AFTER_LOGOUT="/bye")
    hub = HubAuth(app)
    add_views(app)
    app.post("/out")(hub.logout)  # type: ignore[type-var]
    visitor = visit(app)
    visitor.sign_in()
    assert visitor.open("/out", "POST").location == "/bye"
    assert visitor.who() == "nobody"
    assert visitor.logins() == 0


def test_a_view_that_asks_for_what_a_login_cannot_do_is_told_so(dev_hub: HubInMemory) -> None:
    app = plain_app(dev_hub)
    hub = HubAuth(app)
    with app.test_request_context(), pytest.raises(HubConfigError, match="never"):
        hub.login(credentials="never")  # type: ignore[arg-type]


def test_a_blueprint_is_protected_with_all_that_is_in_it(dev_hub: HubInMemory) -> None:
    """S64, S65."""
    app = plain_app(dev_hub)
    hub = HubAuth(app)
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    outer.get("/outer")(lambda: "outer")  # type: ignore[arg-type]
    inner.get("/inner")(lambda: "inner")  # type: ignore[arg-type]
    inner.get("/open", endpoint="open")(hub_public(lambda: "open"))  # type: ignore[arg-type,type-var]
    app.get("/")(lambda: "home")  # type: ignore[arg-type]
    hub.protect(outer)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    client = app.test_client()
    statuses = {
        path: client.get(path, headers=SCRIPT).status_code for path in ("/", "/open", "/outer", "/inner", "/no")
    }
    assert statuses == {"/": 200, "/open": 200, "/outer": 401, "/inner": 401, "/no": 404}


def test_a_blueprint_is_protected_before_it_is_registered_or_not_at_all(dev_hub: HubInMemory) -> None:
    """S64"""
    app = plain_app(dev_hub)
    hub = HubAuth(app)
    late = Blueprint("late", __name__)
    app.register_blueprint(late)
    with pytest.raises(HubConfigError, match=r"'late' is registered already.* before register_blueprint"):
        hub.protect(late)


def test_a_factory_protects_a_blueprint_of_a_module_for_each_application(dev_hub: HubInMemory) -> None:
    """S64"""
    hub, pages = HubAuth(), Blueprint("pages", __name__)
    ran: list[str] = []
    pages.before_request(lambda: ran.append("early"))
    pages.get("/page")(lambda: "page")  # type: ignore[arg-type]

    def create_app() -> Flask:
        app = plain_app(dev_hub)
        hub.init_app(app)
        hub.protect(pages)
        app.register_blueprint(pages)
        return app

    for app in (create_app(), create_app()):
        assert app.test_client().get("/page", headers=SCRIPT).status_code == 401
    assert ran == []
    assert len(pages.before_request_funcs[None]) == 2


def test_an_application_that_has_answered_is_protected_already_or_not_at_all(dev_hub: HubInMemory) -> None:
    hub = HubAuth()
    protected, late = plain_app(dev_hub, HUB_PROTECT_ALL=True), plain_app(dev_hub)
    for app in (protected, late):
        hub.init_app(app)
        app.test_client().get("/")
    hub.protect(protected)
    with pytest.raises(HubConfigError, match="has answered requests already"):
        hub.protect(late)


def test_nothing_runs_before_the_guard_of_a_protected_application(dev_hub: HubInMemory) -> None:
    """S65."""
    app = plain_app(dev_hub, HUB_PROTECT_ALL=True)
    ran = []
    app.before_request(lambda: ran.append("early"))
    HubAuth(app)
    app.before_request(lambda: ran.append("late"))
    app.get("/")(lambda: "home")  # type: ignore[arg-type]
    assert app.test_client().get("/", headers=SCRIPT).status_code == 401
    assert ran == []


@pytest.mark.parametrize("first", ["csrf", "hub"])
def test_flask_wtf_and_the_logout_get_on_with_each_other(dev_hub: HubInMemory, visit: Visit, first: str) -> None:
    """S51."""
    from flask_wtf import CSRFProtect

    app = plain_app(dev_hub)
    for who in sorted(("csrf", "hub"), key=lambda who: who != first):
        CSRFProtect(app) if who == "csrf" else HubAuth(app)
    add_views(app)
    visitor = visit(app)
    visitor.sign_in()
    assert visitor.open("/private", "POST").status_code == 400, "the views of the application keep their protection"
    assert visitor.open("/logout", "POST").status_code == 400
    assert visitor.who() == "jane"
    token = visitor.open("/logout").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert visitor.open("/logout", "POST", data={"csrf_token": token}).status_code == 302
    assert visitor.who() == "nobody"


def test_templates_know_who_is_signed_in_and_the_token_for_the_logout(dev_hub: HubInMemory, visit: Visit) -> None:
    """S100."""
    app = plain_app(dev_hub)
    HubAuth(app)
    page = "{{ current_hub_user.name }}|{{ hub_csrf_token() }}|{% if current_hub_user %}in{% else %}out{% endif %}"
    app.get("/")(lambda: render_template_string(page))  # type: ignore[arg-type]
    dev_hub.update_user("jane", name="<b>J\u202eane</b>{{ 7*7 }}")
    visitor = visit(app)
    assert visitor.open("/").text.endswith("|out")
    visitor.sign_in("/login")
    name, token, mark = visitor.open("/").text.split("|")
    assert name == "&lt;b&gt;J\u202eane&lt;/b&gt;{{ 7*7 }}"
    assert mark == "in"
    assert visitor.open("/logout", "POST", data={"csrf_token": token}).status_code == 302


def test_outside_of_a_request_nobody_is_signed_in(make_site: MakeSite) -> None:
    with make_site().app_context():
        assert not current_hub_user
        assert render_template_string("{{ current_hub_user.login or 'nobody' }}") == "nobody"
    assert not current_hub_user


def answers(app: Flask, **headers: Callable[[Any], None]) -> None:
    for name, change in headers.items():

        def view(change: Callable[[Any], None] = change) -> Any:
            assert current_hub_user is not None
            answer = app.make_response(current_hub_user.login or "nobody")
            change(answer)
            return answer

        app.add_url_rule(f"/{name}", name, view)


def test_an_answer_to_somebody_who_is_signed_in_is_theirs_alone(
    dev_hub: HubInMemory, visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    """S61, L11."""
    app = plain_app(dev_hub)
    HubAuth(app)
    answers(
        app,
        plain=lambda answer: None,
        stored=lambda answer: answer.headers.set("Cache-Control", "no-store"),
        aged=lambda answer: answer.headers.set("Cache-Control", "max-age=60"),
        shared=lambda answer: answer.headers.set("Cache-Control", "public, max-age=60"),
        with_cookie=lambda answer: (answer.headers.set("Cache-Control", "public"), answer.set_cookie("a", "b")),
        with_session=lambda answer: (answer.headers.set("Cache-Control", "public"), session.update(a="b")),
    )
    visitor = visit(app)
    assert "Cache-Control" not in visitor.open("/plain").headers
    visitor.sign_in("/login")
    visitor.open("/plain")
    seen = {name: visitor.open(f"/{name}") for name in app.view_functions if "." not in name}
    assert all("Cookie" in answer.vary for answer in seen.values())
    assert {name: answer.headers["Cache-Control"] for name, answer in seen.items()} == {
        "plain": "private",
        "stored": "no-store",
        "aged": "max-age=60",
        "shared": "public, max-age=60",
        "with_cookie": "private",
        "with_session": "private",
    }
    made_private = [record.message.partition(" ")[0] for record in caplog.records if "made private" in record.message]
    assert made_private == ["/with_cookie", "/with_session"]


def test_a_permanent_session_makes_a_public_answer_private(dev_hub: HubInMemory, visit: Visit) -> None:
    """S61: Flask sends the cookie of a permanent session with every answer."""
    app = plain_app(dev_hub)
    HubAuth(app)
    answers(app, shared=lambda answer: answer.headers.set("Cache-Control", "public, max-age=60"))
    app.add_url_rule("/stay", "stay", lambda: setattr(session, "permanent", True) or "stays")
    visitor = visit(app)
    visitor.sign_in("/login")
    visitor.open("/stay")
    visitor.open("/shared")
    answer = visitor.open("/shared")
    assert answer.headers["Set-Cookie"].startswith("session=")
    assert "public" not in answer.headers["Cache-Control"]
    assert answer.cache_control.private


@pytest.mark.parametrize(
    "ask", [bool, len, lambda user: "x" in user, str, lambda user: user.id], ids=["bool", "len", "in", "str", "id"]
)
def test_however_the_person_is_asked_for_the_answer_is_theirs_alone(
    dev_hub: HubInMemory, visit: Visit, ask: Callable[[Any], Any]
) -> None:
    """S61."""
    app = plain_app(dev_hub)
    HubAuth(app)

    @app.get("/")
    def home() -> str:
        with contextlib.suppress(TypeError):
            ask(current_hub_user)
        return "asked"

    visitor = visit(app)
    assert "Cookie" in visitor.open("/").vary
    visitor.sign_in("/login")
    first, second = visitor.open("/"), visitor.open("/")
    assert "Cookie" in first.vary
    assert "Cookie" in second.vary
    # The first one takes the cookie away that counts round trips.
    assert first.headers["Cache-Control"] == "no-store, private"
    assert second.headers["Cache-Control"] == "private"


def test_a_view_without_an_extension_does_not_run(dev_hub: HubInMemory) -> None:
    """S68."""
    app = Flask("forgotten")
    app.secret_key = KEY
    ran = []

    @app.get("/")
    @hub_login_required
    def secret() -> str:
        ran.append(1)
        return "secret"

    @app.get("/bearer")
    @hub_bearer_required
    def bearer() -> str:
        ran.append(1)
        return "secret"

    for headers in (NAVIGATION, SCRIPT, {"Authorization": "Bearer x"}, {"Cookie": "session=x"}):
        for path in ("/", "/bearer"):
            answer = app.test_client().get(path, headers=headers)
            assert answer.status_code == 500
            assert "no HubAuth" in answer.text or "not set up" in answer.text
            assert "secret" not in answer.text
    assert ran == []


def test_applications_of_two_hubs_with_the_same_key_do_not_disturb_each_other(
    dev_hub: HubInMemory, visit: Visit, tmp_path: Any
) -> None:
    """S13, S57: they even share a store."""
    cache = f"file://{tmp_path}/logins"
    one = visit(site(dev_hub, HUB_CACHE=cache))
    one.sign_in()
    kept = one.cookies()["session"]
    for settings in ({"HUB_SERVICE_ID": "another"}, {"HUB_URL": "https://hub.test/other"}, {"SECRET_KEY": OTHER_KEY}):
        other = visit(site(dev_hub, HUB_CACHE=cache, **settings))
        other.client.set_cookie("session", kept)
        assert other.who() == "nobody"
        assert other.open("/private", headers=SCRIPT).status_code == 401
    assert one.who() == "jane"
    twin = visit(site(dev_hub, HUB_CACHE=cache))
    twin.client.set_cookie("session", kept)
    assert twin.who() == "jane"


def test_a_key_may_be_rotated_while_people_are_on_their_way(dev_hub: HubInMemory, visit: Visit, tmp_path: Any) -> None:
    """R59, R60."""
    cache = f"file://{tmp_path}/logins"
    before = visit(site(dev_hub, HUB_CACHE=cache))
    before.sign_in(as_="john")
    begun = before.begin("/login?next=/private?x=1")
    jar = before.cookies()

    rotated = visit(site(dev_hub, HUB_CACHE=cache, SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=[KEY]))
    for name, value in jar.items():
        rotated.client.set_cookie(name, value)
    assert rotated.who() == "john"
    assert rotated.come_back(rotated.answer(begun)).location == "/private?x=1"
    assert rotated.who() == "jane"

    without = visit(site(dev_hub, HUB_CACHE=cache, SECRET_KEY=OTHER_KEY))
    for name, value in jar.items():
        without.client.set_cookie(name, value)
    assert without.who() == "nobody"
    assert without.come_back(without.answer(begun)).status_code == 400
    assert without.sign_in().status_code == 302


def test_the_extension_shows_no_secret_of_its_settings(dev_hub: HubInMemory, make_site: MakeSite) -> None:
    """S86, L20."""
    app = make_site(HUB_SERVICE_SECRET="canary-secret-value", HUB_PROXY="http://u:canary-proxy@localhost:3128")
    state = app.extensions["hub_auth"]
    shown = " ".join(map(repr, (state, state.config, HubAuth(), *(getattr(state, name) for name in state.__slots__))))
    assert "canary" not in shown
    assert KEY not in shown


def test_what_a_mounted_application_answers_is_its_visitor_s_alone(
    dev_hub: HubInMemory, client_of: Callable[..., FlaskClient]
) -> None:
    """S61"""
    app = plain_app(dev_hub)
    hub, headers = HubAuth(app), [("Content-Type", "text/plain")]

    def mounted(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(headers))
        return [b"mounted"]

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/m": hub.guard(mounted)})  # type: ignore[method-assign]
    client = client_of(app)
    dev_hub.sign_in(client, "jane")
    answer = client.get("/m/")
    assert dict(answer.headers) == {"Content-Type": "text/plain", "Cache-Control": "private", "Vary": "Cookie"}
    headers += [("Cache-Control", "max-age=60"), ("Vary", "Accept")]
    token = {"Authorization": f"Bearer {dev_hub.token_for('jane')}"}
    answer = client_of(app).get("/m/", headers=token)
    assert answer.headers["Cache-Control"] == "max-age=60"
    assert set(answer.vary) == {"Accept", "Cookie", "Authorization"}


def test_a_mounted_application_may_begin_its_answer_anew(dev_hub: HubInMemory) -> None:
    """PEP 3333: a server takes a second status only with the exception that is its reason."""
    app = plain_app(dev_hub)

    def mounted(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"sorry"]

    sent = io.BytesIO()
    environ = EnvironBuilder(headers={"Authorization": f"Bearer {dev_hub.token_for('jane')}"}).get_environ()
    SimpleHandler(io.BytesIO(), sent, sys.stderr, environ).run(HubAuth(app).guard(mounted))
    answer = sent.getvalue().decode()
    assert answer.startswith("HTTP/1.0 500 Internal Server Error\r\n")
    assert "Cache-Control: private\r\n" in answer
    assert answer.endswith("\r\n\r\nsorry")


def test_an_application_that_tells_hosts_apart_has_the_login_at_its_own(dev_hub: HubInMemory, visit: Visit) -> None:
    app = Flask(__name__, static_folder=None, host_matching=True)
    app.config.update(TESTING=True, SECRET_KEY=KEY, HUB_CACHE="memory://", **dev_hub.settings)
    HubAuth(app)
    app.add_url_rule("/private", "private", hub_login_required(lambda: current_hub_user.login), host="localhost:5000")
    visitor = visit(app)
    visitor.sign_in()
    assert visitor.open("/private").text == "jane"
    style = visitor.open("/hub_auth/static/hub_auth.css")
    assert style.mimetype == "text/css"
    style.close()
    assert visitor.open("/login", base_url="http://other.example").status_code == 404


@pytest.mark.parametrize("cut", [False, True])
def test_our_pages_have_their_style_below_a_path(
    dev_hub: HubInMemory, client_of: Callable[..., FlaskClient], cut: bool
) -> None:
    """A proxy may cut the place of the service off."""
    app = plain_app(dev_hub, HUB_SERVICE_URL="http://localhost:5000/svc")
    HubAuth(app)
    answer = client_of(app).get("/logout", base_url="http://localhost:5000" + ("" if cut else "/svc"))
    assert 'href="/svc/hub_auth/static/hub_auth.css"' in answer.text


@pytest.mark.parametrize("status", [401, 404, 418, 500, 503])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer junk"}])
def test_the_application_s_own_page_of_an_error_shows_nobody(
    make_site: MakeSite, visit: Visit, monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str]
) -> None:
    """R30, S72: where nobody can tell who is there, the page does not become another error."""
    app = make_site(PROPAGATE_EXCEPTIONS=False)
    page = "{{ current_hub_user.login if current_hub_user else 'nobody' }}{{ '!' if permissions().allows('any') }}"
    app.context_processor(lambda: {"permissions": lambda: current_hub_permissions})
    kind: Any = status if status != 418 else KeyError
    app.register_error_handler(kind, lambda error: (render_template_string(page), status))
    app.add_url_rule("/500", "500", lambda: str(1 // 0))
    app.add_url_rule("/418", "418", lambda: {}["missing"])
    visitor = visit(app)
    visitor.sign_in()
    store = app.extensions["hub_auth"].keeper.logins.store

    def gone(*given: object) -> Any:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(store, "get", gone)
    path = "/private" if status in (401, 503) else f"/{status}"
    answer = visitor.open(path, headers={**NAVIGATION, **headers})
    expected = status if status not in (401, 503) else 401 if headers else 503
    assert answer.status_code == expected
    if expected == status:
        assert answer.text == "nobody"


def test_the_settings_of_an_application_show_no_secret(make_site: MakeSite) -> None:
    """S86, L20: and are what they were."""
    settings = {
        "HUB_SERVICE_SECRET": "canary-secret-value",
        "HUB_PROXY": "http://u:canary-proxy@localhost:3128",
        "HUB_CACHE": "redis://u:canary-cache@localhost:1/0",
    }
    config = make_site(**settings).config
    assert "canary" not in repr(config)
    assert "'http://***@localhost:3128'" in repr(config)
    assert {key: config[key] for key in settings} == settings
    copied = pickle.loads(pickle.dumps(dict(config)))  # our own
    assert repr(copied) == repr(dict(config))
    assert "canary" not in repr(copied)
    assert "canary" not in repr(make_site(HUB_SERVICE_SECRET=1234567890).config["HUB_SERVICE_SECRET"])


@pytest.mark.parametrize(
    ("url", "debug", "warned"),
    [
        ("https://hub.example", True, True),
        ("https://hub.example", False, False),
        ("http://localhost:8080/hub", True, False),
        ("https://hub.test/hub", True, False),
    ],
)
def test_who_leaves_debug_on_where_people_sign_in_is_told(
    dev_hub: HubInMemory, caplog: pytest.LogCaptureFixture, url: str, debug: bool, warned: bool
) -> None:
    """L18"""
    app = plain_app(dev_hub, HUB_URL=url, DEBUG=debug)
    HubAuth(app)
    assert [record.levelname for record in caplog.records if "DEBUG is on" in record.message] == ["WARNING"] * warned


@pytest.mark.parametrize("path", ["/login", "/authorized", "/logout"])
def test_nothing_keeps_an_answer_of_ours(make_site: MakeSite, path: str) -> None:
    """S61"""
    answer = make_site().test_client().put(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (405, "no-store")


def test_a_view_that_catches_an_error_itself_is_no_page_of_one(
    make_site: MakeSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_site()

    @app.get("/caught")
    def caught() -> str:
        try:
            abort(404)
        except HTTPException:
            return current_hub_user.login or "nobody"

    visitor = visit(app)
    visitor.sign_in()

    def gone(*given: object) -> Any:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(app.extensions["hub_auth"].keeper.logins.store, "get", gone)
    assert visitor.open("/caught").status_code == 503


@pytest.mark.parametrize(
    "url", ["http://LocalHost:80", "https://App.Example", "https://app.example:443", "https://[2001:DB8::1]"]
)
def test_a_host_is_told_apart_as_browsers_send_it(dev_hub: HubInMemory, url: str) -> None:
    app = Flask(__name__, static_folder=None, host_matching=True)
    app.config.update(TESTING=True, SECRET_KEY=KEY, HUB_CACHE="memory://", **dev_hub.settings)
    app.config["HUB_SERVICE_URL"] = url
    HubAuth(app)
    sent = url.lower().removesuffix(":80").removesuffix(":443")
    assert app.test_client().get("/login", base_url=sent).status_code == 302


def test_sign_ins_that_end_at_a_mounted_application_go_round_no_circle(dev_hub: HubInMemory, visit: Visit) -> None:
    """R49"""
    app = plain_app(dev_hub)
    hub = HubAuth(app)

    def mounted(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Cache-Control", "public, max-age=60"), ("Set-Cookie", "a=b")])
        return [b"mounted"]

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/m": hub.guard(mounted)})  # type: ignore[method-assign]
    visitor = visit(app)
    for _ in range(5):
        visitor.sign_in("/m/")
        assert visitor.open("/m/").text == "mounted"
        assert visitor.open("/m/").cache_control.private
        visitor.client.delete_cookie("session")
