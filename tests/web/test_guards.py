"""Guards on functions, classes, blueprints and whole applications, and the guards that guard nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, redirect
from flask.typing import ResponseReturnValue
from flask.views import MethodView, View

from flask_hub_auth import (
    AccessDenied,
    HubAuth,
    HubConfigError,
    HubUser,
    LoginRequired,
    current_hub_user,
    hub_access_denied,
    hub_bearer_required,
    hub_group_required,
    hub_login_optional,
    hub_login_required,
    hub_permission_required,
    hub_public,
)
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import NAVIGATION, SCRIPT, Visitor, add_page, plain_app

Visit = Callable[[Flask], Visitor]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@pytest.fixture
def app(dev_hub: HubInMemory) -> Flask:
    """An application without views."""
    app = plain_app(dev_hub)
    HubAuth(app)
    return app


@pytest.fixture
def protected(dev_hub: HubInMemory, tmp_path: Any) -> Flask:
    """An application of which every endpoint needs a login unless it is public."""
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "style.css").write_text("body {}")
    app = plain_app(dev_hub, HUB_PROTECT_ALL=True, static_folder=str(folder))
    HubAuth(app)
    return app


def status(app: Flask, path: str = "/", method: str = "GET", **headers: str) -> int:
    with app.test_client().open(path, method=method, headers={**SCRIPT, **headers}) as answer:
        return answer.status_code


def timed(view: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as people write them."""

    @functools.wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapped


# What is guarded


def test_every_method_of_a_guarded_function_is_guarded(app: Flask, visit: Visit) -> None:
    """S64, S69."""

    @app.route("/", methods=METHODS)
    @hub_login_required
    def page() -> str:
        return "in"

    assert {method: status(app, method=method) for method in [*METHODS, "HEAD"]} == dict.fromkeys(
        [*METHODS, "HEAD"], 401
    )
    visitor = visit(app)
    visitor.sign_in("/")
    assert {visitor.open("/", method).text for method in METHODS} == {"in"}


def test_a_guarded_view_gets_its_arguments_and_keeps_its_name(app: Flask, visit: Visit) -> None:
    @app.get("/<int:number>/<word>")
    @hub_login_required
    def page(number: int, word: str) -> str:
        """What it says."""
        return f"{number} {word}"

    assert (page.__name__, page.__doc__) == ("page", "What it says.")
    visitor = visit(app)
    visitor.sign_in("/1/a")
    assert visitor.open("/1/a").text == "1 a"


def test_every_method_of_a_guarded_class_is_guarded(app: Flask, visit: Visit) -> None:
    """S64."""

    @hub_login_required
    class Pages(MethodView):
        def get(self) -> str:
            return "got"

        def post(self) -> str:
            return "posted"

        def delete(self) -> str:
            return "deleted"

    @hub_group_required("Administrators")
    class Single(View):
        def dispatch_request(self) -> str:
            return "single"

    app.add_url_rule("/pages", view_func=Pages.as_view("pages"))
    app.add_url_rule("/single", view_func=Single.as_view("single"))
    assert [status(app, "/pages", method) for method in ("GET", "POST", "DELETE", "HEAD")] == [401] * 4
    visitor = visit(app)
    visitor.sign_in("/pages")
    assert [visitor.open("/pages", method).text for method in ("GET", "POST", "DELETE")] == ["got", "posted", "deleted"]
    assert visitor.open("/single").status_code == 403


def test_the_guard_of_a_class_is_before_its_other_decorators(app: Flask) -> None:
    """S64."""
    ran = []

    def count(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def counted(*args: Any, **kwargs: Any) -> Any:
            ran.append(1)
            return view(*args, **kwargs)

        return counted

    @hub_login_required
    class Page(View):
        decorators = [count]  # noqa: RUF012
        init_every_request = False

        def dispatch_request(self) -> str:
            return "in"

    app.add_url_rule("/", view_func=Page.as_view("page"))
    assert status(app) == 401
    assert ran == []


def test_an_async_view_is_guarded(app: Flask, visit: Visit) -> None:
    """S64."""

    @app.get("/")
    @hub_login_required
    async def page() -> str:
        return f"async {current_hub_user.login}"

    @hub_login_required
    class Pages(MethodView):
        async def get(self) -> str:
            return f"class {current_hub_user.login}"

    app.add_url_rule("/class", view_func=Pages.as_view("class"))
    assert [status(app, "/"), status(app, "/class")] == [401, 401]
    visitor = visit(app)
    visitor.sign_in("/")
    assert [visitor.open("/").text, visitor.open("/class").text] == ["async jane", "class jane"]


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_guard_stands_among_other_decorators(app: Flask, visit: Visit, order: int) -> None:
    """S64."""

    def page() -> str:
        return "in"

    decorators: list[Any] = [timed, timed]
    decorators.insert(order, hub_login_required)
    for decorator in decorators:
        page = decorator(page)
    app.get("/")(page)
    assert status(app) == 401
    visitor = visit(app)
    visitor.sign_in("/")
    assert visitor.open("/").text == "in"


def test_two_guards_both_count(app: Flask, visit: Visit) -> None:
    """S64."""

    @app.get("/")
    @hub_login_required
    @hub_group_required("Administrators")
    @hub_login_required
    def page() -> str:
        return "in"

    assert status(app) == 401
    visitor = visit(app)
    visitor.sign_in("/", as_="jane")
    assert visitor.open("/").status_code == 403
    visitor.sign_in("/login", as_="admin")
    assert visitor.open("/").text == "in"


def test_a_guard_on_what_is_never_registered_does_no_harm(app: Flask) -> None:
    """S64."""

    @hub_login_required
    def never() -> str:
        return "in"

    add_page(app, "/", "home")
    assert status(app) == 200
    with app.test_request_context(), pytest.raises(LoginRequired):
        never()


@pytest.mark.parametrize("bad", [None, 1, "page", object(), Blueprint("pages", __name__)])
def test_a_guard_on_what_is_no_view_is_refused(bad: Any) -> None:
    with pytest.raises(HubConfigError, match="view function"):
        hub_group_required("Developers")(bad)
    with pytest.raises(HubConfigError, match="view function"):
        hub_public(bad)


@pytest.mark.parametrize("max_age", [0, -1, True, float("nan"), "soon", (60,)])
def test_a_max_age_that_is_no_number_of_seconds_is_refused(max_age: Any) -> None:
    with pytest.raises(HubConfigError, match="hub_login_required: max_age must be a number of seconds"):
        hub_login_required(max_age=max_age)


# Groups


@pytest.mark.parametrize(
    ("names", "person", "wanted"),
    [
        (["Developers"], "jane", 200),
        (["Developers"], "john", 403),
        (["Administrators", "Developers"], "jane", 200),
        (["Staff"], "jane", 200),
        (["developers"], "jane", 403),
        (["Developer"], "jane", 403),
        (["Developers "], "jane", 403),
        (["All Users"], "john", 200),
    ],
)
def test_any_of_the_groups_opens_by_its_exact_name(
    app: Flask, visit: Visit, names: list[str], person: str, wanted: int
) -> None:
    """S70."""
    add_page(app, "/", "in", hub_group_required(*names))
    visitor = visit(app)
    visitor.sign_in("/login", as_=person)
    assert visitor.open("/").status_code == wanted


@pytest.mark.parametrize("names", [(), (1,), (None,), (["Developers"],), ("Developers", 2), ("",), ("Developers", " ")])
def test_a_group_guard_without_names_is_refused_and_never_means_everybody(names: tuple[Any, ...]) -> None:
    """S70."""
    with pytest.raises(HubConfigError, match="names of groups"):
        hub_group_required(*names)


@pytest.fixture
def denied() -> Iterator[list[tuple[str, tuple[str, ...]]]]:
    """Whom a guard has refused, and what they lacked."""
    heard: list[tuple[str, tuple[str, ...]]] = []

    def refused(app: Flask, user: HubUser, needed: tuple[str, ...]) -> None:
        heard.append((user.login, needed))

    with hub_access_denied.connected_to(refused):
        yield heard


def test_who_is_in_none_of_the_groups_is_told_which_would_open(
    visitor: Visitor, denied: list[tuple[str, tuple[str, ...]]]
) -> None:
    visitor.sign_in(as_="john")
    page = visitor.open("/developers")
    assert page.status_code == 403
    assert "Needed: the group Developers." in page.text
    assert "HUB-403" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    script = visitor.open("/developers", headers=SCRIPT)
    assert script.status_code == 403
    assert script.json["code"] == "HUB-403"
    assert "login_url" not in script.json
    assert "WWW-Authenticate" not in script.headers
    assert denied == [("john", ("Developers",))] * 2


def test_somebody_who_leaves_a_group_is_refused_within_the_time_to_live(
    visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    visitor.sign_in()
    dev_hub.update_user("jane", groups=["All Users"])
    assert visitor.open("/developers").status_code == 200
    hub_clock.advance(301)
    assert visitor.open("/developers").status_code == 403
    assert visitor.open("/private").status_code == 200


@pytest.mark.parametrize("person", ["jane", "john"])
def test_groups_that_are_too_old_to_decide_by_open_nothing(
    visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock, person: str
) -> None:
    """S70: also for those who were refused before; pages that only need a login go on."""
    visitor.sign_in(as_=person)
    before = visitor.open("/developers").status_code
    dev_hub.fail(status=503)
    hub_clock.advance(590)
    assert visitor.open("/developers").status_code == before
    hub_clock.advance(11)
    answer = visitor.open("/developers")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert visitor.open("/private").status_code == 200
    dev_hub.mend()
    hub_clock.advance(60)
    assert visitor.open("/developers").status_code == before


def test_who_leaves_the_login_groups_is_signed_out(
    make_site: Callable[..., Flask], visit: Visit, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    visitor = visit(make_site(HUB_LOGIN_GROUPS=["Developers"]))
    visitor.sign_in()
    dev_hub.update_user("jane", groups=["All Users"])
    hub_clock.advance(301)
    assert visitor.open("/private", headers=SCRIPT).status_code == 401


def test_who_lacks_a_permission_is_told_that_it_is_one(app: Flask, visit: Visit) -> None:
    add_page(app, "/reports", "reports", hub_permission_required("demo.read-report"))
    add_page(app, "/either", "either", hub_group_required("Readers", "Writers"))
    visitor = visit(app)
    visitor.sign_in("/login")
    assert "Needed: the permission demo.read-report." in visitor.open("/reports").text
    assert "Needed: the group Readers or Writers." in visitor.open("/either").text


def test_a_view_can_deny_by_itself(app: Flask, visit: Visit) -> None:
    @app.get("/")
    @hub_login_required
    def page() -> str:
        raise AccessDenied("canary text", needed=["a plan"])

    visitor = visit(app)
    visitor.sign_in("/")
    page_seen = visitor.open("/")
    assert page_seen.status_code == 403
    assert "a plan" in page_seen.text
    assert "canary" not in page_seen.text


# Default deny


def test_under_default_deny_everything_but_what_is_public_needs_a_login(protected: Flask, visit: Visit) -> None:
    """S65, S64."""

    @protected.get("/")
    def home() -> str:
        return "home"

    @protected.get("/below")
    @hub_public
    def below() -> str:
        return "public"

    @hub_public
    @protected.get("/above")
    def above() -> str:
        return "public"

    @hub_public
    class Class(MethodView):
        def get(self) -> str:
            return "public"

    class Derived(Class):
        def get(self) -> str:
            return "nobody has said that it is public"

    protected.add_url_rule("/class", view_func=Class.as_view("class"))
    protected.add_url_rule("/derived", view_func=Derived.as_view("derived"))

    @protected.get("/both")
    @hub_public
    @hub_login_required
    def both() -> str:
        return "guarded all the same"

    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__)

    @inner.get("/inner")
    def static() -> str:
        return "not a file"

    @inner.get("/inner/public")
    @hub_public
    def public() -> str:
        return "public"

    outer.register_blueprint(inner)
    protected.register_blueprint(outer)

    wanted = {
        "/": 401,
        "/below": 200,
        "/above": 200,
        "/class": 200,
        "/derived": 401,
        "/both": 401,
        "/inner": 401,
        "/inner/public": 200,
        "/static/style.css": 200,
        "/static/no.css": 404,
        "/static/../secret": 404,
        "/not/there": 401,
        "/hub_auth/static/hub_auth.css": 200,
        "/logout": 200,
    }
    assert {path: status(protected, path) for path in wanted} == wanted
    assert status(protected, "/", "POST") == 401
    assert status(protected, "/below", "POST") == 401
    assert status(protected, "/", "OPTIONS") == 401

    visitor = visit(protected)
    visitor.sign_in("/")
    assert visitor.open("/").text == "home"
    assert visitor.open("/not/there").status_code == 404
    assert visitor.open("/", "POST").status_code == 405


def test_a_guard_beneath_another_decorator_is_found_under_default_deny(
    protected: Flask, hub_bearer: Callable[[str], dict[str, str]], visit: Visit
) -> None:
    """A decorator that keeps answers shows them to nobody without a token."""
    kept: list[str] = []

    def keep(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def keeping(*args: Any, **kwargs: Any) -> Any:
            if not kept:
                kept.append(view(*args, **kwargs))
            return kept[0]

        return keeping

    add_page(protected, "/api", "data", lambda view: keep(timed(hub_bearer_required(view))))
    add_page(protected, "/welcome", "hello", lambda view: timed(timed(hub_login_optional(view))))
    assert (status(protected, "/api"), status(protected, "/welcome")) == (401, 200)
    assert status(protected, "/api", **hub_bearer("jane")) == 200
    assert (kept, status(protected, "/api")) == (["data"], 401)
    visitor = visit(protected)
    visitor.sign_in("/login")
    assert [visitor.open(path).status_code for path in ("/api", "/welcome")] == [401, 200]


def test_what_looks_like_a_guard_opens_nothing_under_default_deny(protected: Flask) -> None:
    """S65."""

    @hub_login_optional
    def optional() -> str:
        return "optional"

    def copied() -> str:
        return "its attributes are there, and no guard inside"

    def circle() -> str:
        return "inside of itself"

    functools.update_wrapper(copied, optional)
    copied.__dict__["__wrapped__"] = lambda: "something else"
    circle.__dict__["__wrapped__"] = circle
    protected.add_url_rule("/copied", "copied", copied)
    protected.add_url_rule("/circle", "circle", circle)
    assert [status(protected, "/copied"), status(protected, "/circle")] == [401, 401]


def test_a_stranger_cannot_tell_a_page_that_is_not_there_from_one_that_is(protected: Flask) -> None:
    """S65."""
    add_page(protected, "/there", "there")
    for headers in (SCRIPT, NAVIGATION):
        there, missing = (protected.test_client().get(path, headers=headers) for path in ("/there", "/gone!"))
        assert there.status_code == missing.status_code
    assert status(protected, "/there", "DELETE") == status(protected, "/gone!", "DELETE") == 401


def test_the_page_of_a_404_handler_is_guarded_too(protected: Flask) -> None:
    """S65."""
    protected.register_error_handler(404, lambda error: ("secret page", 404))
    answer = protected.test_client().get("/not/there", headers=SCRIPT)
    assert answer.status_code == 401
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Original-URL": "/public"},
        {"X-Rewrite-URL": "/public"},
        {"X-Forwarded-Uri": "/public"},
        {"X-Forwarded-Prefix": "/public"},
        {"X-HTTP-Method-Override": "GET"},
        {"X-Forwarded-User": "jane"},
        {"Remote-User": "jane"},
        {"X_Forwarded_User": "jane"},
        {"X-Auth-Request-User": "jane"},
        {"User-Agent": "kube-probe/1.30"},
        {"User-Agent": "GoogleHC/1.0"},
        {"Authorization": "Basic amFuZTpqYW5l"},
        {"Cookie": "hub_login=jane; session=jane"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "path", ["/secret", "/secret?path=/public", "/secret;/public", "/public/../secret", "//secret"]
)
def test_no_header_and_no_spelling_opens_a_guarded_view(protected: Flask, headers: dict[str, str], path: str) -> None:
    """S66, S67."""
    add_page(protected, "/secret", "secret")
    add_page(protected, "/public", "public", hub_public)
    answer = protected.test_client().get("/", environ_overrides={"PATH_INFO": path}, headers={**SCRIPT, **headers})
    assert answer.status_code in (308, 401)
    assert "secret" not in answer.text.replace("/secret", "")


def test_remote_user_of_a_server_is_nobody(protected: Flask) -> None:
    """S67."""
    add_page(protected, "/", "secret")
    answer = protected.test_client().get("/", environ_overrides={"REMOTE_USER": "jane"}, headers=SCRIPT)
    assert answer.status_code == 401


# Guards that guard nothing


def assert_named(app: Flask, endpoint: str) -> None:
    """Every request is answered with a sentence that names the view, and nothing runs."""
    for path in ("/", "/other", "/login", "/hub_auth/static/hub_auth.css", "/nowhere"):
        for headers in (NAVIGATION, SCRIPT):
            answer = app.test_client().get(path, headers=headers)
            assert answer.status_code == 500
        page = app.test_client().get(path, headers=NAVIGATION).text
        assert f"'{endpoint}'" in page.replace("&#39;", "'")
        assert "above @app.route" in page


def ran(*args: Any) -> ResponseReturnValue:
    pytest.fail("a view ran")


def other(app: Flask) -> None:
    app.add_url_rule("/other", "other", ran)


def test_a_guard_above_the_route_is_found_and_named(app: Flask) -> None:
    """S63."""
    other(app)

    @hub_login_required
    @app.get("/")
    def unguarded() -> ResponseReturnValue:
        return ran()

    assert_named(app, "unguarded")


def test_a_group_guard_above_the_route_of_a_blueprint_is_found_and_named(app: Flask) -> None:
    """S63."""
    other(app)
    pages = Blueprint("pages", __name__)

    @hub_group_required("Developers")
    @pages.get("/")
    def unguarded() -> ResponseReturnValue:
        return ran()

    app.register_blueprint(pages)
    assert_named(app, "pages.unguarded")


@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_guard_above_the_route_in_a_factory_is_found_each_time(dev_hub: HubInMemory, time: int) -> None:
    """S63."""

    def create_app() -> Flask:
        app = plain_app(dev_hub)
        HubAuth(app)
        other(app)

        @hub_login_required
        @app.get("/")
        def unguarded() -> ResponseReturnValue:
            return ran()

        return app

    for _ in range(time):
        app = create_app()
    assert_named(app, "unguarded")


def test_a_guard_above_other_decorators_and_the_route_is_found(app: Flask) -> None:
    """S63."""
    other(app)

    @hub_login_required
    @timed
    @app.get("/")
    @timed
    def unguarded() -> ResponseReturnValue:
        return ran()

    assert_named(app, "unguarded")


def test_a_guard_above_an_async_view_is_found(app: Flask) -> None:
    """S63."""
    other(app)

    @hub_login_required
    @app.get("/")
    async def unguarded() -> ResponseReturnValue:
        return ran()

    assert_named(app, "unguarded")


def test_an_application_that_is_set_up_after_its_views_is_looked_at_too(dev_hub: HubInMemory) -> None:
    """S63."""
    app = plain_app(dev_hub)
    other(app)

    @hub_login_required
    @app.get("/")
    def unguarded() -> ResponseReturnValue:
        return ran()

    HubAuth(app)
    assert_named(app, "unguarded")


def test_the_same_function_may_be_public_in_one_place_and_guarded_in_another(app: Flask, visit: Visit) -> None:
    @hub_public
    def page() -> str:
        return "in"

    app.add_url_rule("/public", "public", page)
    app.add_url_rule("/guarded", "guarded", hub_login_required(page))
    assert [status(app, "/public"), status(app, "/guarded")] == [200, 401]


def test_the_order_of_hooks_does_not_let_an_unguarded_view_out(app: Flask) -> None:
    """S63: hooks of the application run after the look at its views."""
    app.before_request(lambda: redirect("/elsewhere"))
    add_page(app, "/json", "1")

    @hub_login_required
    @app.get("/")
    def unguarded() -> ResponseReturnValue:
        return ran()

    assert status(app, "/json") == 500


def test_a_browser_may_ask_whether_it_may_send_a_token(protected: Flask) -> None:
    """S8: such a question carries nothing that could be checked, and only Flask answers it."""
    seen: list[str] = []

    def own() -> str:
        seen.append("ran")
        return "own"

    add_page(protected, "/api", "data", hub_bearer_required)
    add_page(protected, "/page", "page", hub_login_required)
    protected.add_url_rule("/own", "own", hub_bearer_required(own), methods=["GET", "OPTIONS"])
    preflight = {"Origin": "https://spa.example", "Access-Control-Request-Method": "GET"}
    assert status(protected, "/api", "OPTIONS", **preflight) == 200
    assert status(protected, "/api", **preflight) == 401
    assert status(protected, "/page", "OPTIONS", **preflight) == 401
    assert status(protected, "/own", "OPTIONS", **preflight) == 401
    assert seen == []
