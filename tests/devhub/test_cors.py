from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Visitor

APP = "http://localhost:5173"
ROOT = "https://hub.test/__dev__"
MAKE = Callable[..., Visitor]

READABLE = [
    "/api/rest/users/me",
    "/api/rest/settings/public",
    "/api/rest/oauth2/userinfo",
    "/api/rest/oauth2/keys",
    "/api/rest/oauth2/interactive/login/settings",
    "/.well-known/openid-configuration",
    "/api/rest/nothing",
]


@pytest.mark.parametrize("path", READABLE)
def test_no_other_origin_reads_hub_until_one_is_allowed(visitor: Visitor, path: str) -> None:
    def allowed() -> str | None:
        return visitor.get(path, headers={"Origin": APP}).headers.get("Access-Control-Allow-Origin")

    assert allowed() is None
    visitor.post(f"{ROOT}/options", json={"allowed_origins": ["http://localhost:1"]})
    assert allowed() is None
    visitor.post(f"{ROOT}/options", json={"allowed_origins": ["http://localhost:1", APP]})
    assert allowed() == APP
    visitor.post(f"{ROOT}/options", json={"allowed_origins": [], "all_origins": True})
    assert allowed() == APP


def test_a_refused_token_can_be_read_as_such(make_visitor: MAKE) -> None:
    visitor = make_visitor(allowed_origins=[APP])
    refused = visitor.get("/api/rest/users/me", headers={"Origin": APP, "Authorization": "Bearer x"})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, APP)
    token = visitor.post("/api/rest/oauth2/token", headers={"Origin": APP})
    assert (token.status_code, token.headers["Access-Control-Allow-Origin"]) == (400, APP)


@pytest.mark.parametrize("path", ["/api/rest/users/me", "/api/rest/oauth2/token", "/api/rest/permissions/cache"])
def test_a_preflight_is_answered_for_an_allowed_origin_alone(make_visitor: MAKE, path: str) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,content-type"}
    visitor = make_visitor(allowed_origins=[APP])
    answer = visitor.open(path, method="OPTIONS", headers={"Origin": APP, **asked})
    assert answer.status_code == 200
    assert {"GET", "POST"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Authorization", "Content-Type"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    foreign = visitor.open(path, method="OPTIONS", headers={"Origin": "https://evil.example", **asked})
    assert not [name for name, _ in foreign.headers if name.startswith("Access-Control-")]


def test_cookies_stay_out_and_answers_differ_by_origin(make_visitor: MAKE) -> None:
    answer = make_visitor(all_origins=True).get("/api/rest/users/me", headers={"Origin": APP})
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]
    assert "Origin" in make_visitor().get("/api/rest/users/me").headers["Vary"]


@pytest.mark.parametrize("path", ["/", "/auth/login", "/api/rest/oauth2/auth", "/api/rest/oauth2/logout"])
def test_what_people_open_is_for_no_script(make_visitor: MAKE, path: str) -> None:
    answer = make_visitor(all_origins=True).get(path, headers={"Origin": APP})
    assert "Access-Control-Allow-Origin" not in answer.headers
