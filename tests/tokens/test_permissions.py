"""What a person may do: from where it is read, when, by whom, and what counts while it cannot be."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_hub_auth import (
    HubAuth,
    current_hub_permissions,
    current_hub_user,
    hub_group_required,
    hub_login_required,
    hub_permission_required,
)
from flask_hub_auth.devhub import DevHub, own_permissions, serve
from flask_hub_auth.errors import HubError, HubProtocolError, HubRefused, HubUnavailable
from flask_hub_auth.model import HubPermissions
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock
from flask_hub_auth.tokens.readings import after

from ..visiting import SCRIPT, Visitor, plain_app
from .conftest import at_once

CACHE_PATH = "/api/rest/permissions/cache"
YOUTRACK = "d2c5b7a4-0000-4000-8000-000000000001"
APOLLO = "3fa9c1d0-0000-4000-8000-000000000001"
HERMES = "3fa9c1d0-0000-4000-8000-000000000002"
READ = "demo.report-read"
UPDATE = "demo.report-update"
ISSUES = "JetBrains.YouTrack.CREATE_ISSUE"
Enter = Callable[..., Visitor]


def views(app: Flask) -> None:
    for path, key, project in (
        ("/read", READ, None),
        ("/issues", ISSUES, None),
        ("/update", UPDATE, None),
        ("/update/apollo", UPDATE, APOLLO),
        ("/update/hermes", UPDATE, HERMES),
        ("/missing", "demo.no-such-key", None),
    ):
        view = hub_permission_required(key, project)(lambda: "in")
        app.add_url_rule(path, path, view, methods=["GET", "POST"])
    app.add_url_rule("/developers", "developers", hub_group_required("Developers")(lambda: "in"))
    app.add_url_rule("/page", "page", hub_login_required(lambda: current_hub_user.login))
    app.add_url_rule("/held", "held", lambda: sorted(current_hub_permissions.granted))


@pytest.fixture
def enter(dev_hub: HubInMemory, hub_clock: Clock) -> Enter:
    """Signs somebody in at an application with these settings."""

    def sign_in(login: str = "jane", **settings: Any) -> Visitor:
        app = plain_app(dev_hub, **settings)
        HubAuth(app)
        views(app)
        visitor = Visitor(app, dev_hub)
        visitor.sign_in("/page", login)
        return visitor

    return sign_in


@pytest.fixture
def own_place(dev_hub: HubInMemory) -> Iterator[str]:
    """A YouTrack on a port, which keeps its permissions itself."""
    app = Flask("youtrack")
    app.register_blueprint(own_permissions(dev_hub, YOUTRACK))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()


def get(visitor: Visitor, path: str, **headers: str) -> Any:
    return visitor.open(path, headers={**SCRIPT, **headers})


def statuses(visitor: Visitor, *paths: str, **headers: str) -> list[int]:
    return [get(visitor, path, **headers).status_code for path in paths]


def readings(visitor: Visitor) -> int:
    return sum(call["path"] == CACHE_PATH for call in visitor.hub.calls)


# What is held


def test_a_view_is_open_to_who_holds_its_permission(enter: Enter) -> None:
    """S70."""
    jane, john = enter(), enter("john")
    assert statuses(jane, "/read", "/missing") == [200, 403]
    assert statuses(john, "/read", "/missing") == [403, 403]
    refused = get(john, "/read")
    assert refused.json["code"] == "HUB-403"
    assert "WWW-Authenticate" not in refused.headers
    assert john.open("/read").status_code == 403, "a person who lacks it is not sent to Hub"


def test_a_permission_is_held_in_a_project_or_in_any_or_everywhere(enter: Enter, dev_hub: HubInMemory) -> None:
    paths = ("/update", "/update/apollo", "/update/hermes")
    assert statuses(enter(), *paths) == [200, 200, 403]
    assert statuses(enter("john"), *paths) == [403, 403, 403]
    assert statuses(enter("admin"), *paths) == [200, 200, 200]
    dev_hub.update_user("john", permissions={UPDATE: []})
    assert statuses(enter("john"), *paths) == [403, 403, 403], "held in no project is not held"
    dev_hub.update_user("john", permissions={UPDATE: True})
    assert statuses(enter("john"), *paths) == [200, 200, 200]


def test_who_is_not_signed_in_holds_nothing_and_hub_is_not_asked(enter: Enter) -> None:
    visitor = enter()
    stranger = Visitor(visitor.app, visitor.hub)
    assert get(stranger, "/held").json == []
    assert statuses(stranger, "/read") == [401]
    assert readings(visitor) == 0
    assert READ in get(visitor, "/held").json


# From where

Services = dict[str, dict[str, str]]


def youtrack(url: str, permissions: str = "own") -> Services:
    return {"youtrack": {"id": YOUTRACK, "url": url, "permissions": permissions}}


def test_hub_tells_for_itself_for_us_and_for_all_services(enter: Enter) -> None:
    visitor = enter(HUB_SERVICES=youtrack("http://127.0.0.1:9", "hub"))
    assert statuses(visitor, "/read", "/issues") == [200, 200]
    assert "jetbrains.jetpass.user-read" in get(visitor, "/held").json
    assert readings(visitor) == 1


def test_of_a_service_that_is_not_ours_nothing_is_asked(enter: Enter) -> None:
    assert statuses(enter(), "/read", "/issues") == [200, 403]


def test_a_service_with_a_place_of_its_own_tells_for_itself(enter: Enter, own_place: str, dev_hub: HubInMemory) -> None:
    """What either tells is held."""
    visitor = enter(HUB_SERVICES=youtrack(own_place))
    assert statuses(visitor, "/read", "/issues") == [200, 200]
    dev_hub.serves_permissions = False
    visitor = enter(HUB_SERVICES=youtrack(own_place))
    assert statuses(visitor, "/read", "/issues") == [403, 200]


def test_what_neither_tells_is_denied(enter: Enter, dev_hub: HubInMemory, caplog: pytest.LogCaptureFixture) -> None:
    """S70."""
    dev_hub.serves_permissions = False
    with serve(DevHub()) as served:
        # It has no such address, and says so.
        visitor = enter(HUB_SERVICES=youtrack(f"{served.url}/none"))
        assert statuses(visitor, "/read", "/issues", "/page") == [403, 403, 200]
    assert [line for line in caplog.messages if "permissions could not be read" in line]


def test_a_service_that_is_away_takes_only_its_own_permissions_along(enter: Enter) -> None:
    """S70."""
    visitor = enter(HUB_SERVICES=youtrack("http://127.0.0.1:9"))
    assert statuses(visitor, "/read", "/issues") == [200, 403]


def test_a_service_that_refuses_the_token_ends_nothing(enter: Enter, own_place: str, dev_hub: HubInMemory) -> None:
    visitor = enter(HUB_SERVICES=youtrack(own_place), HUB_SCOPE=["0-0-0-0-0", dev_hub.service_id])
    assert statuses(visitor, "/read", "/issues", "/page") == [200, 403, 200]
    assert visitor.token_calls() == 1


# When


def test_nothing_is_read_before_somebody_asks(enter: Enter, hub_clock: Clock) -> None:
    visitor = enter()
    for _ in range(3):
        assert statuses(visitor, "/page", "/developers") == [200, 200]
        hub_clock.advance(301)
    assert readings(visitor) == 0
    get(visitor, "/read")
    assert readings(visitor) == 1


@pytest.mark.parametrize("seconds", [300, 60])
def test_permissions_are_read_once_in_their_time(seconds: int, enter: Enter, hub_clock: Clock) -> None:
    visitor = enter(HUB_USER_TTL=seconds)
    for turn in range(1, 4):
        for _ in range(5):
            assert statuses(visitor, "/read", "/missing", "/held") == [200, 403, 200]
        assert readings(visitor) == turn
        hub_clock.advance(seconds)


def test_permissions_are_kept_with_the_login_for_all_workers(enter: Enter, dev_hub: HubInMemory, tmp_path: Any) -> None:
    folder = (tmp_path / "logins").as_uri()
    visitor, twin = enter(HUB_CACHE=folder), enter(HUB_CACHE=folder)
    assert statuses(visitor, "/read") == [200]
    for name, value in visitor.cookies().items():
        twin.client.set_cookie(name, value)
    assert statuses(twin, "/read") == [200]
    assert readings(visitor) == 1


@pytest.mark.parametrize("change", ["permission", "group", "ban"])
def test_what_is_taken_away_at_hub_is_refused_within_the_time(
    change: str, enter: Enter, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """S70."""
    visitor = enter()
    assert statuses(visitor, "/read", "/developers") == [200, 200]
    if change == "permission":
        dev_hub.revoke_permission("Developers", READ)
    else:
        dev_hub.update_user("jane", **({"groups": ["All Users"]} if change == "group" else {"banned": True}))
    hub_clock.advance(298)
    assert statuses(visitor, "/read", "/developers") == [200, 200]
    hub_clock.advance(2)
    wanted = {"permission": [403, 200], "group": [403, 403], "ban": [401, 401]}[change]
    assert statuses(visitor, "/read", "/developers") == wanted


def test_what_is_given_at_hub_is_there_within_the_time(enter: Enter, dev_hub: HubInMemory, hub_clock: Clock) -> None:
    visitor = enter("john")
    assert statuses(visitor, "/read") == [403]
    dev_hub.grant_permission("john", READ)
    hub_clock.advance(300)
    assert statuses(visitor, "/read") == [200]


# By whom


def test_one_reads_while_the_others_go_on_with_the_old_answer(
    enter: Enter, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    visitor = enter()
    assert statuses(visitor, "/read") == [200]
    hub_clock.advance(301)
    assert statuses(visitor, "/page") == [200]
    dev_hub.fail(CACHE_PATH, delay=1)

    def read() -> tuple[int, float]:
        begun = time.monotonic()
        return get(visitor, "/read").status_code, time.monotonic() - begun

    found = at_once([read] * 20)
    assert {status for status, _ in found} == {200}
    assert readings(visitor) == 2
    assert sum(took >= 1 for _, took in found) == 1


@pytest.mark.parametrize("idle", [None, 601, 3000])
def test_all_wait_for_one_where_there_is_no_answer_to_decide_by(
    idle: int | None, enter: Enter, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    visitor = enter()
    if idle:
        assert statuses(visitor, "/read") == [200]
        hub_clock.advance(idle)
        assert statuses(visitor, "/page") == [200]
    before = readings(visitor)
    dev_hub.fail(CACHE_PATH, delay=0.3)
    assert Counter(at_once([lambda: get(visitor, "/read").status_code] * 20)) == {200: 20}
    assert readings(visitor) - before == 1


# While they cannot be read


SILENT = [{"status": 503}, {"status": 429}, {"transport": "refuse"}, {"transport": "hang"}]
NONSENSE = [{"status": 404, "body": "<html>"}, {"status": 302}, {"body": "<html>"}, {"body": "{}"}, {"body": "null"}]


@pytest.mark.parametrize("fault", SILENT + NONSENSE, ids=str)
def test_the_old_answer_counts_until_the_grace_is_over(
    fault: dict[str, Any], enter: Enter, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """S70, S82."""
    visitor = enter()
    assert statuses(visitor, "/read", "/missing") == [200, 403]
    dev_hub.fail(CACHE_PATH, **fault)
    hub_clock.advance(590)
    assert statuses(visitor, "/read", "/missing") == [200, 403]
    hub_clock.advance(10)
    refused = get(visitor, "/read")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (503, True)
    assert statuses(visitor, "/read", "/missing", "/page") == [503, 503, 200]
    dev_hub.mend()
    assert statuses(visitor, "/read", "/missing") == [200, 403]


@pytest.mark.parametrize("fault", [SILENT[0], NONSENSE[0]], ids=str)
def test_a_place_that_is_silent_takes_back_nothing_that_it_said_and_the_others_are_heard(
    fault: dict[str, Any], enter: Enter, own_place: str, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """S70, S82, R12."""
    visitor = enter(HUB_SERVICES=youtrack(own_place))
    assert statuses(visitor, "/read", "/update", "/issues") == [200, 200, 200]
    dev_hub.fail(CACHE_PATH, **fault)
    dev_hub.revoke_permission("Developers", ISSUES)
    hub_clock.advance(301)
    assert statuses(visitor, "/read", "/update", "/issues") == [200, 200, 403]
    hub_clock.advance(289)
    assert statuses(visitor, "/read", "/update") == [200, 200]
    hub_clock.advance(10)
    assert statuses(visitor, "/read", "/update") == [403, 403], "for this long nobody knows what is held"
    dev_hub.mend()
    hub_clock.advance(10)
    assert statuses(visitor, "/read", "/update") == [200, 200]


NO_ANSWER, OTHER, NO = HubUnavailable("away"), HubProtocolError("odd"), HubRefused("access_denied")


@pytest.mark.parametrize(
    ("answer", "before", "now"),
    [
        (NO_ANSWER, {"a": None}, {"a": None}),
        (OTHER, {"a": None}, {"a": None}),
        (NO, {"a": None}, {}),
        (NO_ANSWER, None, None),
        (OTHER, None, {}),
        (NO, None, {}),
        (NO_ANSWER, {}, {}),
    ],
)
def test_what_a_place_said_counts_until_it_says_something_else(
    answer: HubError, before: dict[str, Any] | None, now: dict[str, Any] | None
) -> None:
    """S70, S82."""
    known = None if before is None else after(None, {"Hub": HubPermissions(before)}, 100)
    told = after(known, {"Hub": answer, "service x": HubPermissions({"b": None})}, 200)
    assert told.whole == (answer is NO)
    kept = {place: reading.held.granted for place, reading in told.by_place.items()}
    assert kept == ({"service x": {"b": None}} if now is None else {"Hub": now, "service x": {"b": None}})
    assert "service x" not in after(told, {"Hub": HubPermissions()}, 300).by_place, "it is not asked any more"


def test_where_nothing_is_known_yet_it_is_503(enter: Enter, dev_hub: HubInMemory) -> None:
    """S70, S82: and never that it is allowed, or denied."""
    visitor = enter()
    dev_hub.fail(CACHE_PATH, status=503)
    assert statuses(visitor, "/read", "/missing", "/held", "/page") == [503, 503, 503, 200]
    dev_hub.mend()
    assert statuses(visitor, "/read", "/missing") == [200, 403]


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "{}",
        "null",
        "[null]",
        '["demo.report-read"]',
        '[{"permission": "demo.report-read", "global": true}]',
        '[{"permission": {"key": "demo.report-read"}, "global": "true"}]',
        '[{"permission": {"key": "demo.report-read"}, "global": 1}]',
        '[{"permission": {"key": ["demo.report-read"]}, "global": true}]',
        '[{"permission": {"key": "demo.report-read"}, "projects": "all"}]',
        '[{"permission": {"key": "demo.report-read"}, "projects": [{}]}]',
        '[{"permission": {"key": "demo.report-read"}}]',
        '[{"permission": {"key": "demo.report-read"}, "global": false, "projects": []}]',
        "[]",
        "[" * 50_000,
    ],
    ids=lambda body: body[:60],
)
def test_what_is_no_permission_opens_nothing(body: str, enter: Enter, dev_hub: HubInMemory) -> None:
    """S70, R24."""
    visitor = enter()
    dev_hub.fail(CACHE_PATH, body=body)
    assert statuses(visitor, "/read", "/page") == [403, 200]


@pytest.mark.parametrize("projects", ["", ', "projects": null', ', "projects": []'])
def test_the_projects_of_a_global_permission_may_be_left_out(projects: str, enter: Enter, dev_hub: HubInMemory) -> None:
    dev_hub.fail(CACHE_PATH, body=f'[{{"permission": {{"key": "{UPDATE}"}}, "global": true{projects}}}]')
    assert statuses(enter(), "/update", "/update/hermes") == [200, 200]


# A token that Hub refuses


def test_after_a_401_the_token_is_renewed_once_and_the_permissions_are_read(
    enter: Enter, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    visitor = enter()
    hub_clock.advance(10)
    dev_hub.expire()
    assert statuses(visitor, "/read", "/missing") == [200, 403]
    assert (visitor.token_calls(), readings(visitor)) == (2, 2)


def test_where_the_renewal_says_that_the_login_is_over_it_is(
    enter: Enter, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    visitor = enter()
    hub_clock.advance(10)
    dev_hub.revoke("jane")
    assert statuses(visitor, "/read", "/page") == [401, 401]


def test_a_hub_that_always_says_401_costs_one_renewal(enter: Enter, dev_hub: HubInMemory, hub_clock: Clock) -> None:
    visitor = enter()
    hub_clock.advance(10)
    dev_hub.fail(CACHE_PATH, status=401, body='{"error": "invalid_grant"}')
    assert statuses(visitor, "/read", "/read", "/page") == [503, 503, 200]
    assert visitor.token_calls() == 2


# Callers with a token


def test_a_caller_with_a_token_holds_what_its_person_holds(
    enter: Enter, dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    """S73."""
    visitor = Visitor(enter().app, dev_hub)

    def call(login: str, *paths: str, scope: str | None = None) -> list[int]:
        return statuses(
            visitor, *paths, Authorization=f"Bearer {tokens.setdefault((login, scope), make(login, scope))}"
        )

    def make(login: str, scope: str | None) -> str:
        return dev_hub.token_for(login, scope)

    tokens: dict[Any, str] = {}
    assert call("jane", "/read", "/update/apollo", "/update/hermes", "/missing") == [200, 200, 403, 403]
    assert call("john", "/read") == [403]
    assert call("jane", "/read", scope=dev_hub.service_id) == [403], "without Hub in its scope nobody can ask"
    assert readings(visitor) == 2
    dev_hub.revoke_permission("Developers", READ)
    hub_clock.advance(29)
    assert call("jane", "/read") == [200]
    hub_clock.advance(1)
    assert call("jane", "/read") == [403]
    dev_hub.fail(CACHE_PATH, status=503)
    hub_clock.advance(30)
    assert call("jane", "/read", "/page") == [503, 200]
    dev_hub.mend()
    dev_hub.revoke("jane")
    assert call("jane", "/read", "/update") == [401, 401]
    refused = get(visitor, "/read", Authorization=f"Bearer {tokens['jane', None]}")
    assert refused.headers["WWW-Authenticate"] == f'Bearer realm="{dev_hub.service_id}", error="invalid_token"'


def test_permissions_are_not_logged(enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert statuses(enter(), "/read") == [200]
    assert READ not in caplog.text
