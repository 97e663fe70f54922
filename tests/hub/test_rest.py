"""Whose token it is: what is asked of Hub, and what of its answer is taken."""

from __future__ import annotations

from typing import Any

import pytest

from flask_hub_auth.errors import HubError, HubProtocolError, HubRefused, HubUnavailable, TokenRejected
from flask_hub_auth.hub import HubRest
from flask_hub_auth.model import HubPermissions, HubToken, HubUser, Secret

from .conftest import Server, answer

JANE = {
    "type": "user",
    "id": "c6b6e9c6-0000-4000-8000-000000000001",
    "login": "jane",
    "name": "Jane Doe",
    "banned": False,
    "guest": False,
    "profile": {
        "avatar": {"type": "defaultavatar", "url": "https://yt.example.com/hub/api/rest/avatar/c6b6"},
        "email": {"type": "EmailJSON", "verified": True, "email": "jane@example.com"},
    },
    "groups": [{"type": "userGroup", "id": "1", "name": "All Users"}],
    "transitiveGroups": [{"type": "userGroup", "id": "1", "name": "All Users"}, {"id": "2", "name": "Staff"}],
}


def me(server: Server, body: Any, status: int = 200, fields: Any = ()) -> HubUser:
    server.always = answer(body, status)
    return HubRest(server.url, Secret("t0ken")).me(fields)


def failure(server: Server, body: Any, status: int = 200) -> HubError:
    with pytest.raises(HubError) as caught:
        me(server, body, status)
    return caught.value


def test_a_user_is_read(server: Server) -> None:
    assert me(server, JANE) == HubUser(
        id="c6b6e9c6-0000-4000-8000-000000000001",
        login="jane",
        name="Jane Doe",
        email="jane@example.com",
        email_verified=True,
        groups=frozenset({"All Users", "Staff"}),
        avatar_url="https://yt.example.com/hub/api/rest/avatar/c6b6",
    )
    [asked] = server.asked
    assert (asked.method, asked.path) == ("GET", "/hub/api/rest/users/me")
    assert asked.headers["authorization"] == "Bearer t0ken"
    assert asked.query == {
        "fields": "id,login,name,guest,banned,profile(email(email,verified),avatar(url)),"
        "groups(id,name),transitiveGroups(id,name)"
    }


@pytest.mark.parametrize("token", ["t0ken", Secret("t0ken"), HubToken(Secret("t0ken"))])
def test_a_token_may_come_in_three_shapes(token: Any, server: Server) -> None:
    server.always = answer(JANE)
    HubRest(server.url, token).me()
    assert server.asked[0].headers["authorization"] == "Bearer t0ken"


def test_further_fields_are_asked_and_kept(server: Server) -> None:
    body = JANE | {"VCSUserNames": [{"name": "j"}], "profile": {"locale": {"language": "en"}}, "details": 1}
    user = me(server, body, fields=["VCSUserNames", "profile(locale)", "details/x", "licenses"])
    assert user.extra == {"VCSUserNames": [{"name": "j"}], "profile": {"locale": {"language": "en"}}, "details": 1}
    assert server.asked[0].query["fields"].endswith(",VCSUserNames,profile(locale),details/x,licenses")


def test_what_was_not_asked_is_not_kept(server: Server) -> None:
    assert me(server, JANE | {"sshPublicKeys": ["x"]}).extra == {}


@pytest.mark.parametrize("without", [{}, {"name": None, "profile": None, "groups": None, "transitiveGroups": None}])
def test_little_is_enough(without: Any, server: Server) -> None:
    assert me(server, {"id": "1", "login": "x"} | without) == HubUser(id="1", login="x")


@pytest.mark.parametrize("name", ["guest", "banned"])
def test_guests_and_banned_people_are_told(name: str, server: Server) -> None:
    assert getattr(me(server, JANE | {name: True}), name) is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None},
        {"id": ""},
        {"id": 1},
        {"id": ["a"]},
        {"login": None},
        {"login": ""},
        {"login": {}},
        {"name": 1},
        {"guest": None},
        {"guest": 0},
        {"guest": "false"},
        {"banned": "true"},
        {"banned": 1},
        {"banned": []},
        {"profile": []},
        {"profile": "x"},
        {"profile": {"email": "jane@example.com"}},
        {"profile": {"email": {"email": ["jane@example.com"]}}},
        {"profile": {"avatar": "x"}},
        {"profile": {"avatar": {"url": 1}}},
        {"groups": {}},
        {"groups": "All Users"},
        {"groups": ["All Users"]},
        {"groups": [None]},
        {"groups": [{"name": 1}]},
        {"transitiveGroups": [[]]},
    ],
    ids=repr,
)
def test_a_field_of_another_type_is_not_hubs(wrong: dict[str, Any], server: Server) -> None:
    """R24"""
    error = failure(server, JANE | wrong)
    assert type(error) is HubProtocolError
    assert "jane" not in str(error)


@pytest.mark.parametrize("body", [[JANE], None, b"", b"<html>", b"[[[", {}, b'{"id":"1","id":"2","login":"x"}'])
def test_what_is_no_user_is_not_hubs(body: Any, server: Server) -> None:
    """R24"""
    assert type(failure(server, body)) is HubProtocolError


@pytest.mark.parametrize("verified", [False, None, 1, "true"])
def test_an_email_counts_as_verified_only_where_hub_says_true(verified: Any, server: Server) -> None:
    user = me(server, JANE | {"profile": {"email": {"email": "j@example.com", "verified": verified}}})
    assert (user.email, user.email_verified) == ("j@example.com", False)


@pytest.mark.parametrize("email", [{}, None, {"email": ""}, {"email": None, "verified": True}, {"verified": True}])
def test_an_email_may_be_missing(email: Any, server: Server) -> None:
    user = me(server, JANE | {"profile": {"email": email}})
    assert (user.email, user.email_verified) == (None, False)


def test_a_group_without_a_name_is_no_group(server: Server) -> None:
    assert me(server, JANE | {"groups": [{"id": "1"}, {"name": ""}], "transitiveGroups": []}).groups == frozenset()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://cdn.example.com/a.png?s=48", "https://cdn.example.com/a.png?s=48"),
        ("http://cdn.example.com/a.png", "http://cdn.example.com/a.png"),
        ("HTTPS://cdn.example.com/a.png", "HTTPS://cdn.example.com/a.png"),
        ("/hub/api/rest/avatar/1?s=48", "{origin}/hub/api/rest/avatar/1?s=48"),
        ("", None),
        ("avatar/1", None),
        ("//evil.example/a.png", None),
        ("/\\evil.example/a.png", None),
        ("\\\\evil.example/a.png", None),
        ("https:evil.example", None),
        ("https:///evil.example", None),
        ("https://[", None),
        ("javascript:alert(1)", None),
        ("JaVaScRiPt://x/%0aalert(1)", None),
        ("java\nscript:alert(1)", None),
        (" javascript:alert(1)", None),
        ("data:text/html,<script>", None),
        ("vbscript:x", None),
        ("file:///etc/passwd", None),
        ('https://x/"onerror="alert(1)', None),
        ("https://x/'><script>", None),
        ("https://x/\r\nX: y", None),
        ("https://x/a b", None),
    ],
)
def test_an_avatar_is_a_web_address(url: str, shown: str | None, server: Server) -> None:
    """S100"""
    user = me(server, JANE | {"profile": {"avatar": {"url": url}}})
    assert user.avatar_url == (shown and shown.format(origin=f"http://{server.host}"))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "'\"><img src=x>", "‮Doe", "Jane\nDoe", "{{7*7}}", "李", "\x00"]
)
def test_names_are_plain_text(name: str, server: Server) -> None:
    """S100: they are kept as they are, for templates to escape."""
    user = me(server, JANE | {"name": name, "groups": [{"name": name}]})
    assert type(user.name) is str
    assert user.name == name
    assert name in user.groups


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", TokenRejected),
        (401, {"error": "Unauthorized"}, TokenRejected),
        (401, b"<html>", TokenRejected),
        (403, {"error": "invalid_grant", "error_description": "Token expired"}, TokenRejected),
        (403, {"error": "Forbidden"}, HubRefused),
        (403, b"<html>blocked</html>", HubRefused),
        (400, {"error": "invalid_scope"}, HubRefused),
        (404, b"<html>", HubProtocolError),
        (404, b"", HubProtocolError),
        (429, b"", HubUnavailable),
        (500, b"", HubUnavailable),
        (503, b"<html>invalid_grant</html>", HubUnavailable),
        (302, b"", HubProtocolError),
    ],
)
def test_a_refusal_says_who_is_meant(status: int, body: Any, kind: type[HubError], server: Server) -> None:
    """R22"""
    error = failure(server, body, status)
    assert type(error) is kind
    assert "t0ken" not in str(error)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "ä"])
def test_what_is_no_token_is_rejected_unsent(token: str, server: Server) -> None:
    """S92"""
    with pytest.raises(TokenRejected):
        HubRest(server.url, token).me()
    assert server.connections == 0


def test_in_no_service_nobody_may_do_anything(server: Server) -> None:
    """S70: Hub would answer a query without a service with all permissions there are."""
    server.always = answer([{"permission": {"key": "any"}, "global": True}])
    assert HubRest(server.url, "token").permissions([]) == HubPermissions()
    assert server.asked == []
    assert HubRest(server.url, "token").permissions("0-0-0-0-0").allows("any")
    assert "query=service%3A%7B0-0-0-0-0%7D" in server.asked[0].target
