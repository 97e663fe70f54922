from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_hub_auth.devhub import HUB_ID, DevHub, Service, own_permissions
from flask_hub_auth.devhub.seed import APOLLO_ID, HERMES_ID, YOUTRACK_ID

from .conftest import Clock, Visitor

CACHE = "/api/rest/permissions/cache"
PROJECT_UPDATE = "jetbrains.jetpass.project-update"
READ_ISSUE = "JetBrains.YouTrack.READ_ISSUE"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cache(visitor: Visitor, login: str, query: str = "") -> list[dict[str, Any]]:
    entries = visitor.get(f"{CACHE}?query={query}", headers=bearer(visitor.hub.token_for(login))).get_json()
    assert isinstance(entries, list)
    return entries


def held(visitor: Visitor, login: str, query: str = "") -> dict[str, Any]:
    """Key → True, or the ids of the projects."""
    return {
        entry["permission"]["key"]: entry["global"] or [each["id"] for each in entry["projects"]]
        for entry in cache(visitor, login, query)
    }


def test_it_is_an_array_of_keys_and_where_they_are_held(visitor: Visitor, hub: DevHub) -> None:
    query = f"service:{{{hub.service_id}}} or service:{{{HUB_ID}}}"
    response = visitor.get(
        f"{CACHE}?fields=permission/key,global,projects(id)&query={query}", headers=bearer(hub.token_for("jane"))
    )
    entries = response.get_json()
    assert {"permission": {"key": "demo.report-read"}, "global": True, "projects": None} in entries
    project = {"type": "project", "id": APOLLO_ID}
    assert {"permission": {"key": PROJECT_UPDATE}, "global": False, "projects": [project]} in entries
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("services", "prefixes"),
    [
        ([HUB_ID], {"jetbrains.jetpass"}),
        ([YOUTRACK_ID], {"JetBrains.YouTrack"}),
        ([HUB_ID, YOUTRACK_ID], {"jetbrains.jetpass", "JetBrains.YouTrack"}),
        (["unknown"], set()),
        ([], {"jetbrains.jetpass", "JetBrains.YouTrack", "demo"}),
    ],
)
def test_only_the_services_of_the_query_are_in_it(visitor: Visitor, services: list[str], prefixes: set[str]) -> None:
    query = " or ".join(f"service:{{{service}}}" for service in services)
    assert {key.rpartition(".")[0] for key in held(visitor, "jane", query)} == prefixes


@pytest.mark.parametrize(
    "query",
    ["project:x", "is:held", "isStartsWith:g", "service", "service:{a} service:{b}", "service:{a", "service:{a} or"],
)
def test_a_query_that_cannot_be_read_is_a_bad_request(visitor: Visitor, hub: DevHub, query: str) -> None:
    refused = visitor.get(f"{CACHE}?query={query}", headers=bearer(hub.token_for("jane")))
    assert (refused.status_code, refused.get_json()["error"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"key:{{{PROJECT_UPDATE}}}", [PROJECT_UPDATE]),
        ("id:demo.report-read or name:demo.report-update", ["demo.report-read", "demo.report-update"]),
        ("nameStartsWith:demo. and is:global", ["demo.report-read"]),
    ],
)
def test_a_permission_is_found_by_its_key_and_by_being_global(visitor: Visitor, query: str, found: list[str]) -> None:
    assert list(held(visitor, "jane", query)) == found


@pytest.mark.parametrize("name", ["role", "operation", "entityType"])
def test_a_filter_of_hub_s_that_is_not_kept_here_is_named(visitor: Visitor, hub: DevHub, name: str) -> None:
    refused = visitor.get(f"{CACHE}?query={name}:x", headers=bearer(hub.token_for("jane")))
    assert refused.status_code == 400
    assert f"'{name}' is none of service, key, id, name, is:global" in refused.get_json()["error_description"]


# Of another person


@pytest.mark.parametrize(
    ("login", "principal", "status"),
    [
        ("admin", "john", 200),
        ("jane", "john", 200),
        ("john", "john", 200),
        ("guest", "guest", 200),
        ("john", "jane", 403),
        ("guest", "jane", 403),
        ("john", "nobody", 403),
        ("admin", "nobody", 404),
        ("service", "john", 200),
    ],
)
def test_who_may_read_users_reads_their_permissions(
    visitor: Visitor, hub: DevHub, login: str, principal: str, status: int
) -> None:
    user_id = hub.user(principal).id if principal in hub.people.users else principal
    token = hub.token_for_service() if login == "service" else hub.token_for(login)
    answer = visitor.get(f"{CACHE}?principal={user_id}", headers=bearer(token))
    assert answer.status_code == status
    if status == 200:
        assert answer.get_json() == cache(visitor, principal)


def test_a_principal_that_is_nothing_is_the_caller(visitor: Visitor, hub: DevHub) -> None:
    token = bearer(hub.token_for("john"))
    assert visitor.get(f"{CACHE}?principal=", headers=token).get_json() == cache(visitor, "john")


@pytest.mark.parametrize(
    ("login", "key", "where"),
    [
        ("admin", "demo.settings-update", True),
        ("admin", READ_ISSUE, True),
        ("admin", "jetbrains.jetpass.service-create", True),
        ("jane", "demo.report-read", True),
        ("jane", "demo.report-update", [APOLLO_ID]),
        ("jane", "demo.settings-update", None),
        ("jane", READ_ISSUE, [APOLLO_ID, HERMES_ID]),
        ("jane", "jetbrains.jetpass.service-create", None),
        ("john", "jetbrains.jetpass.profile-updateSelf", True),
        ("john", "demo.report-read", None),
        ("john", READ_ISSUE, [APOLLO_ID]),
        ("mallory", "jetbrains.jetpass.profile-updateSelf", None),
        ("guest", "jetbrains.jetpass.user-read-basic", None),
    ],
)
def test_seeded_people_hold_what_their_groups_do(visitor: Visitor, login: str, key: str, where: Any) -> None:
    assert held(visitor, login).get(key) == where


def test_who_leaves_a_group_loses_what_it_gave(visitor: Visitor, hub: DevHub) -> None:
    hub.update_user("jane", groups=["All Users"])
    assert "demo.report-read" not in held(visitor, "jane")
    assert held(visitor, "jane")[READ_ISSUE] == [APOLLO_ID]


def test_a_group_gives_also_what_the_group_around_it_has(visitor: Visitor, hub: DevHub) -> None:
    hub.grant_permission("Staff", "demo.settings-update")
    assert held(visitor, "jane")["demo.settings-update"] is True
    assert "demo.settings-update" not in held(visitor, "john")


def test_permissions_are_given_and_taken_one_by_one(visitor: Visitor, hub: DevHub) -> None:
    hub.grant_permission("john", "demo.report-read", HERMES_ID)
    hub.grant_permission("john", "demo.report-read", APOLLO_ID)
    assert held(visitor, "john")["demo.report-read"] == [APOLLO_ID, HERMES_ID]
    hub.revoke_permission("john", "demo.report-read", HERMES_ID)
    assert held(visitor, "john")["demo.report-read"] == [APOLLO_ID]
    hub.grant_permission("john", "demo.report-read")
    assert held(visitor, "john")["demo.report-read"] is True
    hub.revoke_permission("john", "demo.report-read")
    assert "demo.report-read" not in held(visitor, "john")
    hub.revoke_permission("Developers", "demo.report-read")
    assert "demo.report-read" not in held(visitor, "jane")


def test_a_key_that_is_new_belongs_to_the_service_that_is_named(visitor: Visitor, hub: DevHub) -> None:
    hub.grant_permission("john", "demo.new", "p1")
    hub.grant_permission("john", "JetBrains.YouTrack.NEW", service="YouTrack")
    assert held(visitor, "john", f"service:{{{hub.service_id}}}") == {"demo.new": ["p1"]}
    assert held(visitor, "john", f"service:{{{YOUTRACK_ID}}}")["JetBrains.YouTrack.NEW"] is True
    assert "p1" in hub.people.projects
    hub.grant_permission("john", READ_ISSUE)
    assert READ_ISSUE not in held(visitor, "john", f"service:{{{hub.service_id}}}")


def test_whom_or_what_nobody_knows_is_named(hub: DevHub) -> None:
    with pytest.raises(KeyError, match="no user or group 'nobody'; there are admin, "):
        hub.grant_permission("nobody", "demo.new")
    with pytest.raises(KeyError, match="no user or group 'nobody'"):
        hub.revoke_permission("nobody", "demo.new")
    with pytest.raises(KeyError, match="no service 'nothing'"):
        hub.grant_permission("john", "demo.new", service="nothing")


def test_the_remote_control_sets_what_a_user_holds_beside_the_groups(visitor: Visitor) -> None:
    address = "https://hub.test/__dev__/users/john"
    assert visitor.post(address, json={"permissions": {"demo.a": True, "demo.b": ["p1", "p2"]}}).status_code == 204
    assert (held(visitor, "john")["demo.a"], held(visitor, "john")["demo.b"]) == (True, ["p1", "p2"])
    assert visitor.post(address, json={"permissions": {"demo.b": ["p2"]}}).status_code == 204
    assert "demo.a" not in held(visitor, "john")
    assert held(visitor, "john")["demo.b"] == ["p2"]
    assert held(visitor, "john")[READ_ISSUE] == [APOLLO_ID]
    assert visitor.post(address, json={"permissions": {}}).status_code == 204
    assert "demo.b" not in held(visitor, "john")


@pytest.mark.parametrize("permissions", [[], "x", {"demo.a": False}, {"demo.a": "p1"}, {"demo.a": [1]}, {"demo.a": 1}])
def test_permissions_that_make_no_sense_are_refused(visitor: Visitor, permissions: Any) -> None:
    address = "https://hub.test/__dev__/users/john"
    assert visitor.post(address, json={"permissions": permissions}).status_code == 400


@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        ("Bearer nonsense", 401, "invalid_grant"),
        ("Digest x", 401, "invalid_request"),
    ],
)
def test_a_header_that_is_not_good_is_told_nothing(visitor: Visitor, header: str, status: int, error: str) -> None:
    refused = visitor.get(CACHE, headers={"Authorization": header})
    assert (refused.status_code, refused.get_json()["error"]) == (status, error)


def test_tokens_for_other_services_and_old_ones_are_told_nothing(visitor: Visitor, hub: DevHub, clock: Clock) -> None:
    other = visitor.get(CACHE, headers=bearer(hub.token_for("jane", hub.service_id)))
    assert (other.status_code, other.get_json()["error"]) == (401, "invalid_scope")
    old = hub.token_for("jane", life=10)
    clock.advance(10)
    assert visitor.get(CACHE, headers=bearer(old)).status_code == 401


def test_strangers_are_the_guest_and_without_guests_nobody(visitor: Visitor, hub: DevHub) -> None:
    assert (visitor.get(CACHE).status_code, visitor.get(CACHE).get_json()) == (200, [])
    hub.grant_permission("guest", "demo.page-read")
    assert [entry["permission"]["key"] for entry in visitor.get(CACHE).get_json()] == ["demo.page-read"]
    hub.update_user("guest", banned=True)
    assert visitor.get(CACHE).status_code == 401


def test_a_service_by_itself_is_no_person_with_permissions(visitor: Visitor, hub: DevHub) -> None:
    answer = visitor.get(CACHE, headers=bearer(hub.token_for_service()))
    assert (answer.status_code, answer.get_json()) == (200, [])


def test_a_hub_can_leave_permissions_to_its_services(make_visitor: Callable[..., Visitor]) -> None:
    visitor = make_visitor(serves_permissions=False)
    headers = bearer(visitor.hub.token_for("jane"))
    assert visitor.get(CACHE, headers=headers).status_code == 404
    visitor.hub.serves_permissions = True
    assert visitor.get(CACHE, headers=headers).status_code == 200


# A service that keeps its own


@pytest.fixture
def ask_youtrack(hub: DevHub) -> Callable[..., TestResponse]:
    app = Flask("youtrack")
    app.register_blueprint(own_permissions(hub, YOUTRACK_ID))
    client = app.test_client()

    def ask(token: str | None, query: str = "") -> TestResponse:
        headers = bearer(token) if token is not None else {}
        return client.get(f"/api/permissions/cache{query}", headers=headers)

    return ask


def test_a_service_s_own_cache_has_youtrack_s_shape(hub: DevHub, ask_youtrack: Callable[..., TestResponse]) -> None:
    token = hub.token_for("jane", "YouTrack")
    entries = ask_youtrack(token, "?fields=id,global,projects(id)").get_json()
    assert {
        "id": "JetBrains.YouTrack.UPDATE_ISSUE",
        "global": False,
        "projects": [{"id": APOLLO_ID, "$type": "Project"}],
        "$type": "CachedPermission",
    } in entries
    assert {entry["id"].rpartition(".")[0] for entry in entries} == {"jetbrains.jetpass", "JetBrains.YouTrack"}
    hub.grant_permission("jane", READ_ISSUE)
    entry = next(entry for entry in ask_youtrack(token).get_json() if entry["id"] == READ_ISSUE)
    assert entry == {"id": READ_ISSUE, "global": True, "projects": None, "$type": "CachedPermission"}


@pytest.mark.parametrize(
    ("scope", "status", "description"),
    [
        (None, 401, "You are not logged in."),
        ("Hub", 401, "Invalid token"),
        ("Demo", 401, "Invalid token"),
        ("YouTrack", 200, None),
        (YOUTRACK_ID, 200, None),
    ],
)
def test_it_takes_tokens_for_this_service_alone(
    hub: DevHub, ask_youtrack: Callable[..., TestResponse], scope: str | None, status: int, description: str | None
) -> None:
    response = ask_youtrack(hub.token_for("jane", scope) if scope else None)
    assert response.status_code == status
    if description:
        assert response.get_json() == {"error": "Unauthorized", "error_description": description}


def test_it_knows_nothing_of_services_and_cannot_read_everything(
    hub: DevHub, ask_youtrack: Callable[..., TestResponse]
) -> None:
    assert ask_youtrack(hub.token_for_service(scope="YouTrack")).get_json() == []
    assert ask_youtrack(hub.token_for("jane", "YouTrack"), "?fields=a(").status_code == 400


def test_a_service_of_a_name_that_is_taken_takes_the_place(visitor: Visitor, hub: DevHub) -> None:
    hub.add_service(Service("yt", "YouTrack", permissions=["yt.read"]))
    hub.grant_permission("john", "yt.read", "p1")
    assert held(visitor, "john", "service:{yt}") == {"yt.read": ["p1"]}
    assert YOUTRACK_ID not in hub.people.services


def test_a_hub_s_own_service_may_be_called_youtrack(make_visitor: Callable[..., Visitor]) -> None:
    hub = make_visitor(service_name="YouTrack").hub
    assert list(hub.people.services) == [HUB_ID, hub.service_id]
