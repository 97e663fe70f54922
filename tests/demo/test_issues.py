"""The issues service: whom it lets in, and what it gives to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client, TestResponse

from demo_app.issues import ISSUES_ID, create_issues
from flask_hub_auth.devhub import HUB_ID, Service

if TYPE_CHECKING:
    from flask_hub_auth.testing.hub import HubInMemory
    from flask_hub_auth.testing.plugin import Clock

BOTH = f"{HUB_ID} {ISSUES_ID}"


@pytest.fixture
def service(dev_hub: HubInMemory, hub_clock: Clock) -> Iterator[Client]:
    dev_hub.add_service(Service(ISSUES_ID, "Issues", trusted=True))
    todo = {dev_hub.user("jane").id: ("one", "two", "three"), dev_hub.user("john").id: ("four",)}
    return Client(create_issues(dev_hub.url, todo=todo))


def ask(service: Client, token: str | None, path: str = "/api/issues", **more: Any) -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return service.open(path, headers=headers, **more)


def key_readings(dev_hub: HubInMemory) -> int:
    return sum(call["path"] == "/api/rest/oauth2/key" for call in dev_hub.calls)


def test_a_person_gets_what_is_assigned_to_them_the_newest_first(service: Client, dev_hub: HubInMemory) -> None:
    for login, summaries in (("jane", ["three", "two", "one"]), ("john", ["four"]), ("admin", [])):
        answer = ask(service, dev_hub.token_for(login, BOTH))
        assert answer.status_code == 200
        assert [issue["summary"] for issue in answer.json["issues"]] == summaries  # type: ignore[index]


def test_what_a_person_files_is_theirs_whatever_the_body_says(service: Client, dev_hub: HubInMemory) -> None:
    filed = {"project": "HERMES", "summary": " buy  milk ", "reporter": "x", "assignee": "x"}
    answer = ask(service, dev_hub.token_for("john", ISSUES_ID), method="POST", json=filed)
    assert answer.status_code == 201
    john = dev_hub.user("john").id
    assert answer.json == {
        "id": "HERMES-5", "project": "HERMES", "summary": "buy milk", "assignee": john, "reporter": john,
    }  # fmt: skip
    assert len(ask(service, dev_hub.token_for("john", ISSUES_ID)).json["issues"]) == 2  # type: ignore[index]


@pytest.mark.parametrize(
    "body", [{}, [], "x", {"project": "X", "summary": "x"}, {"project": "APOLLO", "summary": "x" * 201}]
)
def test_an_issue_that_is_none_is_a_problem(service: Client, dev_hub: HubInMemory, body: Any) -> None:
    answer = ask(service, dev_hub.token_for("jane", BOTH), method="POST", json=body)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_service_gets_the_projects_and_no_issues(service: Client, dev_hub: HubInMemory) -> None:
    token = dev_hub.token_for_service(scope=BOTH)
    answer = ask(service, token, "/api/projects")
    assert answer.json == {
        "projects": [{"key": "APOLLO", "name": "Apollo", "issues": 3}, {"key": "HERMES", "name": "Hermes", "issues": 1}]
    }
    for method in ("GET", "POST"):
        refusal = ask(service, token, method=method, json={"project": "APOLLO", "summary": "x"})
        assert refusal.status_code == 403
        assert "no person is behind" in refusal.json["detail"]  # type: ignore[index]


def altered(token: str, place: int) -> str:
    return token[:place] + ("1" if token[place] != "1" else "2") + token[place + 1 :]


@pytest.mark.parametrize("path", ["/api/issues", "/api/projects"])
def test_without_a_token_nobody_comes_in(service: Client, path: str) -> None:
    for headers in ({}, {"Authorization": "Basic amFuZTpqYW5l"}, {"Authorization": "Bearer"}):
        answer = service.get(path, headers=headers)
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="issues"')
    assert service.get(path).headers["WWW-Authenticate"] == 'Bearer realm="issues"'
    assert ask(service, None, path).json["status"] == 401  # type: ignore[index]


def test_a_token_for_other_services_is_refused(service: Client, dev_hub: HubInMemory) -> None:
    for token in (dev_hub.token_for("jane"), dev_hub.token_for_service(), dev_hub.token_for("jane", HUB_ID)):
        answer = ask(service, token, "/api/projects")
        assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="issues", error="insufficient_scope"'
        assert "for other services" in answer.json["detail"]  # type: ignore[index]


def test_a_token_that_is_over_is_refused(service: Client, dev_hub: HubInMemory, hub_clock: Clock) -> None:
    token = dev_hub.token_for("jane", BOTH, life=60)
    hub_clock.advance(59)
    assert ask(service, token).status_code == 200
    hub_clock.advance(2)
    answer = ask(service, token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="issues", error="invalid_token"'
    assert "over" in answer.json["detail"]  # type: ignore[index]


def test_an_altered_token_is_refused(service: Client, dev_hub: HubInMemory) -> None:
    """Each character of what is signed, and some of the signature."""
    token = dev_hub.token_for("jane", BOTH)
    places = [*range(token.index(";")), token.index(";") + 1, len(token) - 20]
    assert {ask(service, altered(token, place)).status_code for place in places} == {401}


@pytest.mark.parametrize("token", ["x", ";", "....;1.", "1.2.3.4;9.MA==", "1.2.3;1.MA==", "perm:amFuZQ==.NDctMA==.x"])
def test_what_is_no_token_of_hub_is_refused(service: Client, token: str) -> None:
    assert ask(service, token).status_code == 401


def test_a_token_of_another_hub_is_refused(service: Client, dev_hub: HubInMemory) -> None:
    from flask_hub_auth.devhub import DevHub

    other = DevHub()
    other.add_service(Service(ISSUES_ID, "Issues", trusted=True))
    assert ask(service, other.token_for("jane", BOTH)).status_code == 401


def test_hub_is_asked_for_its_key_once_and_for_a_new_one_once_a_minute(
    service: Client, dev_hub: HubInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert ask(service, dev_hub.token_for("jane", BOTH)).status_code == 200
        assert ask(service, "1.2.3.4;9.MA==").status_code == 401
    assert key_readings(dev_hub) == 1
    dev_hub.rotate_key()
    monkeypatch.setattr("demo_app.issues.KEY_PAUSE", 0)
    assert ask(service, dev_hub.token_for("jane", BOTH)).status_code == 200
    assert key_readings(dev_hub) == 2


def test_a_hub_that_is_away_is_a_problem_of_its_own(service: Client, dev_hub: HubInMemory) -> None:
    dev_hub.fail(status=503)
    answer = ask(service, dev_hub.token_for("jane", BOTH))
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    dev_hub.mend()
    assert ask(service, dev_hub.token_for("jane", BOTH)).status_code == 200


def test_what_is_not_there_is_a_problem_too(service: Client, dev_hub: HubInMemory) -> None:
    token = dev_hub.token_for("jane", BOTH)
    assert ask(service, token, "/nothing").json["status"] == 404  # type: ignore[index]
    assert ask(service, token, method="DELETE").json["status"] == 405  # type: ignore[index]
    assert ask(service, None, "/nothing").status_code == 401
