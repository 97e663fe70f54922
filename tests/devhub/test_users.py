from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_hub_auth.devhub import HUB_ID, DevHub
from flask_hub_auth.devhub.people import stable_id
from flask_hub_auth.devhub.seed import APOLLO_ID, HERMES_ID, YOUTRACK_ID

from .conftest import Clock, Visitor

JANE = "c6b6e9c6-0000-4000-8000-000000000001"
JOHN = stable_id("user", "john")
DEVELOPERS = stable_id("group", "Developers")


def ask(visitor: Visitor, path: str, login: str | None = "jane") -> TestResponse:
    token = visitor.hub.token_for_service() if login == "service" else login and visitor.hub.token_for(login)
    return visitor.get(f"/api/rest{path}", headers={"Authorization": f"Bearer {token}"} if token else {})


# Users


def test_a_user_is_found_by_login(visitor: Visitor) -> None:
    assert ask(visitor, "/users?query=login: jane&fields=id,login&$top=5").get_json() == {
        "type": "UsersPage",
        "skip": 0,
        "top": 5,
        "total": 1,
        "users": [{"type": "user", "id": JANE, "login": "jane"}],
    }


@pytest.mark.parametrize(
    ("query", "logins"),
    [
        ("", ["admin", "jane", "john", "mallory", "guest"]),
        ("$top=2", ["admin", "jane"]),
        ("$skip=3", ["mallory", "guest"]),
        ("$skip=1&$top=1", ["jane"]),
        ("$skip=9", []),
        ("$skip=-1&$top=1", ["admin"]),
        ("$top=0", []),
        ("query=nameStartsWith: x or loginStartsWith: jo", ["john"]),
        ('query=name: "Jane Doe"', ["jane"]),
    ],
)
def test_users_come_in_pages(visitor: Visitor, query: str, logins: list[str]) -> None:
    assert [each["login"] for each in ask(visitor, f"/users?{query}").get_json()["users"]] == logins


@pytest.mark.parametrize(
    ("query", "logins"),
    [
        ("orderBy=name", ["admin", "guest", "jane", "john", "mallory", "Zed", "abe"]),
        ("orderBy=login", ["abe", "admin", "guest", "jane", "john", "mallory", "Zed"]),
        ("orderBy=login&$skip=1&$top=2", ["admin", "guest"]),
        ("orderBy=guest", ["admin", "jane", "john", "mallory", "Zed", "abe", "guest"]),
        ("orderBy=banned&query=loginStartsWith: j or login: mallory", ["jane", "john", "mallory"]),
        ("orderBy=", ["admin", "jane", "john", "mallory", "guest", "Zed", "abe"]),
    ],
)
def test_users_come_in_the_order_that_is_asked_for(
    visitor: Visitor, hub: DevHub, query: str, logins: list[str]
) -> None:
    for login in ("Zed", "abe"):
        hub.add_user(login, "zz")
    assert [each["login"] for each in ask(visitor, f"/users?{query}").get_json()["users"]] == logins


def test_what_lacks_the_field_of_the_order_comes_last(visitor: Visitor, hub: DevHub) -> None:
    hub.people.services[HUB_ID].vendor = "JetBrains"
    hub.people.services[YOUTRACK_ID].vendor = "abc"
    services = ask(visitor, "/services?orderBy=vendor&fields=vendor").get_json()["services"]
    assert [each["vendor"] for each in services] == ["abc", "JetBrains", None]
    groups = ask(visitor, "/usergroups?orderBy=userCount").get_json()["usergroups"]
    assert [each["name"] for each in groups] == ["Staff", "Developers", "Administrators", "All Users"]


@pytest.mark.parametrize("field", ["nothing", "profile", "groups", "login:desc", "profile/email"])
@pytest.mark.parametrize("query", ["", "&query=login: nobody"])
def test_an_order_by_what_users_have_not_is_a_bad_request(visitor: Visitor, field: str, query: str) -> None:
    refused = ask(visitor, f"/users?orderBy={field}{query}")
    assert refused.status_code == 400
    assert f"Cannot order by '{field}', only by type, id, login, name, " in refused.get_json()["error_description"]


def test_a_page_has_a_hundred_unless_all_are_wanted(visitor: Visitor, hub: DevHub) -> None:
    for number in range(150):
        hub.add_user(f"user{number}")
    page = ask(visitor, "/users?fields=id").get_json()
    assert (page["top"], page["total"], len(page["users"])) == (100, 155, 100)
    page = ask(visitor, "/users?fields=id&$top=-1").get_json()
    assert (page["top"], len(page["users"])) == (-1, 155)


@pytest.mark.parametrize("query", ["$top=x", "query=password: x", "fields=a("])
def test_what_cannot_be_read_is_a_bad_request(visitor: Visitor, query: str) -> None:
    assert ask(visitor, f"/users?{query}").status_code == 400


@pytest.mark.parametrize(
    ("login", "total", "status", "email"),
    [
        ("admin", 5, 200, True),
        ("jane", 5, 200, True),
        ("service", 5, 200, True),
        ("john", 5, 200, False),
        ("mallory", 1, 403, False),
        ("guest", 0, 403, False),
        (None, 0, 403, False),
    ],
)
def test_others_are_shown_in_full_in_part_or_not_at_all(
    visitor: Visitor, login: str | None, total: int, status: int, email: bool
) -> None:
    assert ask(visitor, "/users", login).get_json()["total"] == total
    one = ask(visitor, f"/users/{JANE}", login)
    assert one.status_code == status
    if status == 200:
        assert one.get_json()["login"] == "jane"
        assert one.get_json()["profile"]["avatar"]["type"] == "defaultavatar"
        assert ("email" in one.get_json()["profile"]) == email
        assert ("groups" in one.get_json()) == email


def test_everybody_sees_all_of_themselves(visitor: Visitor) -> None:
    assert ask(visitor, f"/users/{JOHN}", "john").get_json()["profile"]["email"]["email"] == "john@example.com"
    assert ask(visitor, f"/users/{JOHN}/groups", "john").get_json()["total"] == 1
    assert ask(visitor, f"/users/{JANE}/groups", "john").status_code == 403
    # The guest is nobody's self.
    assert ask(visitor, f"/users/{stable_id('user', 'guest')}", None).status_code == 403


def test_nobody_of_that_id_is_404_for_who_may_look(visitor: Visitor) -> None:
    for path in ("/users/nobody", "/users/nobody/groups", "/usergroups/none", "/usergroups/none/users"):
        assert ask(visitor, path).status_code == 404
        assert ask(visitor, path, None).status_code == 403


# Groups


def test_the_groups_of_a_user_are_a_page_under_their_path_s_name(visitor: Visitor) -> None:
    mine = ask(visitor, "/users/me/groups?fields=name").get_json()
    assert (mine["type"], mine["total"]) == ("UserGroupsPage", 2)
    assert [each["name"] for each in mine["groups"]] == ["All Users", "Developers"]
    assert mine == ask(visitor, f"/users/{JANE}/groups?fields=name", "admin").get_json()
    assert ask(visitor, "/users/me/groups", "service").status_code == 404


def test_groups_are_found_by_name(visitor: Visitor) -> None:
    page = ask(visitor, "/usergroups?query=name: Developers").get_json()
    assert page == {
        "type": "UserGroupsPage",
        "skip": 0,
        "top": 100,
        "total": 1,
        "usergroups": [
            {
                "type": "userGroup",
                "id": DEVELOPERS,
                "name": "Developers",
                "description": None,
                "iconUrl": None,
                "autoJoin": False,
                "implicit": False,
                "project": {"type": "project", "id": "0"},
                "userCount": 1,
                "allUsers": False,
                "parent": {"type": "userGroup", "id": stable_id("group", "Staff"), "name": "Staff"},
                "subgroups": [],
            }
        ],
    }
    assert ask(visitor, f"/usergroups/{DEVELOPERS}").get_json() == page["usergroups"][0]
    staff = ask(visitor, "/usergroups?query=name: Staff&fields=subgroups/name").get_json()["usergroups"][0]
    assert [each["name"] for each in staff["subgroups"]] == ["Developers", "Administrators"]


def test_members_of_a_group_are_a_page_of_users(visitor: Visitor) -> None:
    page = ask(visitor, f"/usergroups/{DEVELOPERS}/users?fields=login").get_json()
    assert (page["type"], [each["login"] for each in page["users"]]) == ("UsersPage", ["jane"])


@pytest.mark.parametrize(("login", "total", "status"), [("jane", 4, 200), ("john", 0, 403), (None, 0, 403)])
def test_groups_are_for_who_may_read_them(visitor: Visitor, login: str | None, total: int, status: int) -> None:
    assert ask(visitor, "/usergroups", login).get_json()["total"] == total
    assert ask(visitor, f"/usergroups/{DEVELOPERS}", login).status_code == status
    assert ask(visitor, f"/usergroups/{DEVELOPERS}/users", login).status_code == status


# Projects


@pytest.mark.parametrize(
    ("login", "ids"), [("john", [APOLLO_ID, HERMES_ID]), ("service", [APOLLO_ID, HERMES_ID]), (None, [])]
)
def test_projects_are_for_who_may_read_them(visitor: Visitor, login: str | None, ids: list[str]) -> None:
    page = ask(visitor, "/projects?fields=id,name", login).get_json()
    assert (page["type"], [each["id"] for each in page["projects"]]) == ("ProjectsPage", ids)


def test_a_project_may_be_all_that_somebody_reads(visitor: Visitor, hub: DevHub) -> None:
    hub.update_user("john", groups=[], permissions={"jetbrains.jetpass.project-read-basic": [HERMES_ID]})
    names = [each["name"] for each in ask(visitor, "/projects", "john").get_json()["projects"]]
    assert names == ["Hermes"]


# Permanent tokens


def make_token(visitor: Visitor, login: str = "jane", user: str = "me", **fields: Any) -> TestResponse:
    body = {"name": "ci", "scope": [{"id": HUB_ID}], **fields}
    headers = {"Authorization": f"Bearer {visitor.hub.token_for(login)}"}
    return visitor.post(f"/api/rest/users/{user}/permanenttokens?fields=token", json=body, headers=headers)


def test_a_permanent_token_is_good_until_it_is_revoked(visitor: Visitor, hub: DevHub, clock: Clock) -> None:
    made = make_token(visitor).get_json()
    assert (made["type"], made.keys()) == ("permanentToken", {"type", "id", "token"})
    token = made["token"]
    assert token.startswith("perm:amFuZQ==.NDct")
    clock.advance(10 * 365 * 24 * 3600)
    hub.expire()
    assert visitor.me(token).get_json()["login"] == "jane"
    hub.revoke("jane")
    assert visitor.me(token).status_code == 401


def test_no_two_permanent_tokens_are_the_same(visitor: Visitor, hub: DevHub) -> None:
    tokens = {make_token(visitor).get_json()["token"] for _ in range(3)} | {hub.permanent_token("jane")}
    assert len(tokens) == 4


def test_a_permanent_token_is_good_for_the_services_of_its_scope(visitor: Visitor, hub: DevHub) -> None:
    token = make_token(visitor, scope=[{"id": YOUTRACK_ID}]).get_json()["token"]
    refused = visitor.me(token)
    assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_scope")
    assert hub.store.check(token, YOUTRACK_ID).grant.user_id == JANE
    both = make_token(visitor, scope=[{"id": YOUTRACK_ID}, {"id": HUB_ID}]).get_json()["token"]
    assert visitor.me(both).status_code == 200


@pytest.mark.parametrize(("scope", "status"), [(None, 200), ("Hub", 200), ("YouTrack", 401), (YOUTRACK_ID, 401)])
def test_tests_make_a_permanent_token_without_a_round_trip(
    visitor: Visitor, hub: DevHub, scope: str | None, status: int
) -> None:
    assert visitor.me(hub.permanent_token("john", scope)).status_code == status


@pytest.mark.parametrize(
    ("login", "user", "fields", "status"),
    [
        ("jane", JANE, {}, 200),
        ("jane", JOHN, {}, 403),
        ("admin", JANE, {}, 403),
        ("guest", "me", {}, 403),
        ("mallory", "me", {}, 403),
        ("jane", "me", {"name": ""}, 400),
        ("jane", "me", {"name": 1}, 400),
        ("jane", "me", {"scope": []}, 400),
        ("jane", "me", {"scope": None}, 400),
        ("jane", "me", {"scope": ["Hub"]}, 400),
        ("jane", "me", {"scope": [{"id": "unknown"}]}, 400),
        ("jane", "me", {"scope": [{"id": HUB_ID}, {"id": "unknown"}]}, 400),
        ("jane", "me", {"scope": [{"id": HUB_ID}, "Hub"]}, 400),
        ("jane", "me", {"scope": "Hub"}, 400),
    ],
)
def test_people_make_permanent_tokens_for_themselves_and_for_services_there_are(
    visitor: Visitor, login: str, user: str, fields: dict[str, Any], status: int
) -> None:
    assert make_token(visitor, login, user, **fields).status_code == status
