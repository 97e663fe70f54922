"""``flask hub routes``: what guards each endpoint."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Blueprint, Flask
from flask.cli import ScriptInfo
from flask.views import MethodView

from flask_hub_auth import (
    HubAuth,
    hub_bearer_required,
    hub_group_required,
    hub_login_optional,
    hub_login_required,
    hub_permission_required,
    hub_public,
)
from flask_hub_auth.cli import hub

from ..visiting import plain_app


def routes(app: Flask, *words: str) -> Result:
    info = ScriptInfo(create_app=lambda: app)
    return CliRunner().invoke(hub, ["routes", *words], obj=info)


def guards(app: Flask) -> dict[str, str]:
    """The guard of each endpoint, as ``--json`` has it."""
    found = json.loads(routes(app, "--json").stdout)
    assert all(list(each) == ["endpoint", "rule", "guard"] for each in found)
    return {each["endpoint"]: each["guard"] for each in found}


def passing(view: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of somebody else's."""

    @functools.wraps(view)
    def passed(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return passed


def add(app: Flask | Blueprint, name: str, *guards: Callable[[Any], Any]) -> None:
    """A view under `guards`, the first one innermost."""

    def view() -> str:
        return name

    for guard in guards:
        view = guard(view)
    app.add_url_rule(f"/{name}", name, view)


@pytest.fixture
def app(dev_hub: Any) -> Flask:
    app = plain_app(dev_hub, static_folder="static")
    HubAuth(app)
    return app


GUARDS: dict[str, tuple[list[Callable[[Any], Any]], str]] = {
    "page": ([hub_login_required], "login"),
    "called": ([hub_login_required()], "login"),
    "api": ([hub_bearer_required], "bearer"),
    "group": ([hub_group_required("Developers", "Managers")], "group Developers or Managers"),
    "permission": ([hub_permission_required("demo.read")], "permission demo.read"),
    "both": ([hub_group_required("A"), hub_login_required], "login, group A"),
    "between": ([hub_login_required, passing], "login"),
    "inside": ([passing, hub_login_required], "login"),
    "public": ([hub_public], "public"),
    "open": ([], "unclassified"),
    "wrapped": ([passing], "unclassified"),
}


def test_every_guard_has_its_words(app: Flask) -> None:
    for name, (decorators, _) in GUARDS.items():
        add(app, name, *decorators)
    found = guards(app)
    assert {name: found[name] for name in GUARDS} == {name: words for name, (_, words) in GUARDS.items()}
    assert found["static"] == found["hub_auth.login"] == "public"


def test_a_class_is_guarded_as_a_function_is(app: Flask) -> None:
    @hub_login_required
    class Page(MethodView):
        def get(self) -> str:
            return "page"

    @hub_public
    class Open(MethodView):
        def get(self) -> str:
            return "open"

    class Derived(Open):
        pass

    for view in (Page, Open, Derived):
        app.add_url_rule(f"/{view.__name__}", view_func=view.as_view(view.__name__))
    found = guards(app)
    assert [found[name] for name in ("Page", "Open", "Derived")] == ["login", "public", "unclassified"]


def test_a_guard_that_guards_nothing_is_told(app: Flask) -> None:
    """S63"""

    @hub_login_required
    @app.get("/bad")
    def bad() -> str:
        return "bad"

    assert guards(app)["bad"] == "nothing: its guard stands above @app.route"
    answer = routes(app, "--check")
    assert (answer.exit_code, "bad" in answer.stderr) == (1, True)


def test_a_view_to_which_nobody_comes_is_told(app: Flask) -> None:
    app.add_url_rule("/login", "own", lambda: "own", methods=["GET", "POST"])
    assert guards(app)["own"] == "unclassified; GET never comes here, hub_auth.login answers"
    assert guards(app)["hub_auth.login"] == "public"
    assert "own" in routes(app, "--check").stderr
    assert app.test_client().post("/login").text == "own"


def test_a_protected_blueprint_is_behind_a_login(app: Flask) -> None:
    names = ("outer", "inner", "free", "shut")
    outer, inner, free, shut = (Blueprint(name, __name__, url_prefix=f"/{name}") for name in names)
    for blueprint in (outer, inner, free, shut):
        add(blueprint, "page")
    add(inner, "open", hub_public)
    for blueprint in (outer, shut):
        HubAuth().protect(blueprint)
    outer.register_blueprint(inner)
    free.register_blueprint(shut)
    app.register_blueprint(outer)
    app.register_blueprint(free)
    found = {endpoint: guard for endpoint, guard in guards(app).items() if endpoint.partition(".")[0] in names}
    assert found == {
        "outer.page": "login",
        "outer.inner.page": "login",
        "outer.inner.open": "public",
        "free.page": "unclassified",
        "free.shut.page": "login",
    }
    client = app.test_client()
    for endpoint, guard in found.items():
        assert (client.get(f"/{endpoint.replace('.', '/')}").status_code == 401) is (guard == "login")


def test_an_application_without_hubauth_is_told_so() -> None:
    answer = routes(Flask("bare"))
    assert "'bare' has no HubAuth" in answer.stderr
    assert answer.exit_code == 0


def test_nothing_is_unclassified_where_everything_is_protected(dev_hub: Any) -> None:
    app = plain_app(dev_hub, HUB_PROTECT_ALL=True)
    HubAuth(app)
    for name, (decorators, _) in GUARDS.items():
        add(app, name, *decorators)
    found = guards(app)
    assert "unclassified" not in found.values()
    assert (found["open"], found["public"], found["api"]) == ("login", "public", "bearer")
    assert routes(app, "--check").exit_code == 0


def test_a_rule_without_a_view_is_behind_the_login_of_everything(dev_hub: Any, app: Flask) -> None:
    protected = plain_app(dev_hub, HUB_PROTECT_ALL=True)
    HubAuth(protected)
    for each in (protected, app):
        each.add_url_rule("/later", "later")
    assert (guards(protected)["later"], routes(protected, "--check").exit_code) == ("login", 0)
    assert protected.test_client().get("/later").status_code == 401
    assert (guards(app)["later"], routes(app, "--check").exit_code) == ("unclassified", 1)


def test_a_guard_before_the_requests_of_a_blueprint_guards_its_views(app: Flask) -> None:
    outer, inner = Blueprint("outer", __name__, url_prefix="/outer"), Blueprint("inner", __name__, url_prefix="/inner")
    add(outer, "page")
    add(outer, "open", hub_public)
    add(inner, "page", hub_login_required)
    add(app, "page")
    outer.before_request(passing(hub_group_required("Developers")(lambda: None)))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    found = guards(app)
    assert {endpoint: found[endpoint] for endpoint in ("page", "outer.page", "outer.open", "outer.inner.page")} == {
        "page": "unclassified",
        "outer.page": "group Developers",
        "outer.open": "group Developers",
        "outer.inner.page": "group Developers, login",
    }
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/outer/page", "/outer/open", "/outer/inner/page")] == [401] * 3


def test_a_guard_before_the_requests_leaves_the_login_of_everything_to_be_told(dev_hub: Any) -> None:
    app = plain_app(dev_hub, HUB_PROTECT_ALL=True)
    HubAuth(app)
    app.before_request(hub_login_optional(lambda: None))
    add(app, "page")
    add(app, "open", hub_public)
    found = guards(app)
    assert (found["page"], found["open"]) == ("optional login, login", "optional login")


def test_each_rule_has_a_line_of_its_own(app: Flask) -> None:
    add(app, "page", hub_login_required)
    app.add_url_rule("/other/<name>", "page")
    lines = [line.split(maxsplit=2) for line in routes(app).stdout.splitlines()]
    assert ["page", "/page", "login"] in lines
    assert ["page", "/other/<name>", "login"] in lines
    assert lines == sorted(lines, key=lambda line: line[:2])


def test_the_check_names_whom_nobody_has_classified(app: Flask) -> None:
    add(app, "page", hub_login_required)
    answer = routes(app, "--check")
    assert (answer.exit_code, answer.stderr) == (0, "")
    add(app, "open")
    answer = routes(app, "--check", "--json")
    assert (answer.exit_code, "open" in answer.stderr, "page" in answer.stderr) == (1, True, False)
    assert {each["endpoint"] for each in json.loads(answer.stdout)} >= {"open", "page"}
    assert routes(app).exit_code == 0
