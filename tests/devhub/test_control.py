from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_hub_auth.devhub import DevHub

from .conftest import Clock, Visitor

ROOT = "https://hub.test/__dev__"


def test_calls_lists_every_request_to_hub_and_nothing_else(visitor: Visitor, hub: DevHub, clock: Clock) -> None:
    visitor.ask()
    visitor.token(grant_type="refresh_token", refresh_token="x")
    visitor.me("x")
    visitor.get("/auth/login")
    visitor.get("https://hub.test/")
    calls = visitor.get(f"{ROOT}/calls").get_json()
    service = hub.service_id
    assert [list(call) for call in calls] == [["method", "path", "grant", "client_id", "status", "time"]] * 4
    assert [tuple(call.values()) for call in calls] == [
        ("GET", "/api/rest/oauth2/auth", None, service, 303, clock.now),
        ("POST", "/api/rest/oauth2/token", "refresh_token", service, 403, clock.now),
        ("GET", "/api/rest/users/me", None, None, 401, clock.now),
        ("GET", "/auth/login", None, None, 200, clock.now),
    ]
    assert hub.calls == calls


def test_calls_names_the_client_of_a_form_too(visitor: Visitor, hub: DevHub) -> None:
    visitor.token(header=False, client_id="me", grant_type="password")
    assert (hub.calls[0]["client_id"], hub.calls[0]["grant"]) == ("me", "password")


def test_changing_the_list_of_calls_changes_nothing_at_hub(hub: DevHub, visitor: Visitor) -> None:
    visitor.me()
    hub.calls[0]["path"] = "elsewhere"
    hub.calls.clear()
    assert hub.calls[0]["path"] == "/api/rest/users/me"


# Faults


def fault(visitor: Visitor, **fields: Any) -> TestResponse:
    return visitor.post(f"{ROOT}/faults", json=fields)


def test_a_fault_answers_instead_of_hub_as_often_as_it_says(visitor: Visitor) -> None:
    assert fault(visitor, path="/api/rest/users/me", status=503, times=2).status_code == 204
    assert [visitor.me().status_code for _ in range(3)] == [503, 503, 200]


def test_a_fault_without_times_stays_until_it_is_deleted(visitor: Visitor) -> None:
    fault(visitor, path="*", status=500)
    assert {visitor.me().status_code for _ in range(5)} == {500}
    assert visitor.get("/auth/login").status_code == 500
    assert visitor.get(f"{ROOT}/calls").status_code == 200
    assert visitor.open(f"{ROOT}/faults", method="DELETE").status_code == 204
    assert visitor.me().status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"error": "x"}', "application/json"),
        ("[]", "application/json"),
        ("<h1>Bad Gateway</h1>", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
        ("[" * 100_000, "text/html; charset=utf-8"),
    ],
)
def test_the_body_of_a_fault_is_json_if_it_can_be(visitor: Visitor, body: str, content_type: str) -> None:
    fault(visitor, path="*", body=body)
    answer = visitor.me()
    assert (answer.status_code, answer.text, answer.content_type) == (200, body, content_type)


def test_the_headers_of_a_fault_are_its_own(visitor: Visitor) -> None:
    fault(visitor, path="*", status=503, headers={"Retry-After": "7", "Content-Type": "text/plain"})
    answer = visitor.me()
    assert (answer.headers["Retry-After"], answer.content_type) == ("7", "text/plain")


def test_a_delay_alone_is_before_hub_s_own_answer(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("flask_hub_auth.devhub.gate.time.sleep", slept.append)
    fault(visitor, path="/api/rest/users/me", delay=0.3)
    assert visitor.me().get_json()["login"] == "guest"
    assert slept == [0.3]


def test_the_fault_of_a_path_goes_before_the_one_of_all_and_the_older_before_the_newer(visitor: Visitor) -> None:
    fault(visitor, path="*", status=500)
    fault(visitor, path="/api/rest/users/me", status=502, times=1)
    fault(visitor, path="/api/rest/users/me", status=503, times=1)
    assert [visitor.me().status_code for _ in range(3)] == [502, 503, 500]


def test_a_refresh_that_is_answered_by_a_fault_never_reaches_hub(visitor: Visitor, hub: DevHub) -> None:
    hub.rotate = True
    refresh_token = hub.grant("jane")["refresh_token"]
    hub.fail("/api/rest/oauth2/token", status=503, times=1)
    assert visitor.refresh(refresh_token).status_code == 503
    assert visitor.refresh(refresh_token).status_code == 200
    assert [call["status"] for call in hub.calls] == [503, 200]


@pytest.mark.parametrize("transport", ["refuse", "hang", "drip", "reset", "endless"])
def test_in_memory_a_broken_connection_is_raised(visitor: Visitor, hub: DevHub, transport: str) -> None:
    hub.fail(transport=transport, times=1)
    with pytest.raises((ConnectionResetError, TimeoutError)):
        visitor.me()
    assert visitor.me().status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": 503},
        {"path": ""},
        {"path": "api/rest"},
        {"path": 1},
        {"path": "*", "status": "503"},
        {"path": "*", "status": 99},
        {"path": "*", "status": 600},
        {"path": "*", "status": True},
        {"path": "*", "delay": -1},
        {"path": "*", "delay": "1"},
        {"path": "*", "delay": 601},
        {"path": "*", "body": {}},
        {"path": "*", "headers": []},
        {"path": "*", "headers": {"A": 1}},
        {"path": "*", "headers": {"A": "b\r\nC: d"}},
        {"path": "*", "headers": {"A": "\u2013"}},
        {"path": "*", "headers": {"A": "a\u0000b"}},
        {"path": "*", "headers": {"\u00e4": "a"}},
        {"path": "*", "headers": {"": "a"}},
        {"path": "*", "headers": {"a b": "a"}},
        {"path": "*", "body": "\ud800"},
        {"path": "*", "times": 0},
        {"path": "*", "times": 1.5},
        {"path": "*", "transport": "slow"},
        {"path": "*", "transport": ["refuse"]},
        {"path": "*", "colour": "red"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_a_sentence(
    visitor: Visitor, hub: DevHub, fields: dict[str, Any]
) -> None:
    refused = fault(visitor, **fields)
    assert refused.status_code == 400
    assert refused.get_json()["error_description"]
    assert visitor.me().status_code == 200
    if "path" in fields:
        with pytest.raises(ValueError):
            hub.fail(**fields)


# Users and tokens


def test_a_user_is_banned_and_moved_between_groups(visitor: Visitor, hub: DevHub) -> None:
    assert visitor.post(f"{ROOT}/users/john", json={"banned": True, "groups": ["New", "Developers"]}).status_code == 204
    me = visitor.me(hub.token_for("john")).get_json()
    assert me["banned"] is True
    assert [group["name"] for group in me["groups"]] == ["New", "Developers"]
    assert [group["name"] for group in me["transitiveGroups"]] == ["New", "Developers", "Staff"]
    visitor.post(f"{ROOT}/users/john", json={"groups": []})
    assert visitor.me(hub.token_for("john")).get_json()["groups"] == []
    assert hub.user("john").banned


@pytest.mark.parametrize(
    "fields",
    [{}, {"admin": True}, {"banned": "yes"}, {"groups": "All Users"}, {"groups": [1]}, {"name": 1}, [], "x"],
)
def test_a_change_that_makes_no_sense_is_refused(visitor: Visitor, fields: Any) -> None:
    assert visitor.post(f"{ROOT}/users/john", json=fields).status_code == 400


def test_nobody_of_that_name_is_404(visitor: Visitor) -> None:
    assert visitor.post(f"{ROOT}/users/nobody", json={"banned": True}).status_code == 404
    assert visitor.post(f"{ROOT}/revoke/nobody").status_code == 404


def test_expire_ends_all_access_tokens_and_no_refresh_token(visitor: Visitor, hub: DevHub) -> None:
    jane, john = hub.grant("jane"), hub.grant("john")
    assert visitor.post(f"{ROOT}/expire").status_code == 204
    for answer in (jane, john):
        assert visitor.me(answer["access_token"]).get_json()["error"] == "invalid_grant"
        assert visitor.me(visitor.refresh(answer["refresh_token"]).get_json()["access_token"]).status_code == 200


def test_revoke_ends_all_tokens_of_one_user(visitor: Visitor, hub: DevHub) -> None:
    jane, john = hub.grant("jane"), hub.grant("john")
    code = visitor.code("jane")
    assert visitor.post(f"{ROOT}/revoke/jane").status_code == 204
    assert visitor.me(jane["access_token"]).status_code == 401
    assert visitor.refresh(jane["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert visitor.exchange(code).get_json()["error"] == "invalid_grant"
    assert visitor.me(john["access_token"]).status_code == 200
    assert visitor.refresh(john["refresh_token"]).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_origin_turns_nothing_over(visitor: Visitor, hub: DevHub, site: str) -> None:
    token = hub.token_for("jane")
    assert visitor.post(f"{ROOT}/expire", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert visitor.me(token).status_code == 200


def test_the_control_interface_is_not_part_of_hub(visitor: Visitor) -> None:
    assert visitor.get("/__dev__/calls").status_code == 404
