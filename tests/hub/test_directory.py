"""What is asked of Hub and of its services about a person, and what is made of their answers."""

from __future__ import annotations

from typing import Any

import pytest

from flask_hub_auth.config import HubConfig
from flask_hub_auth.errors import HubError, HubUnavailable, TokenRejected
from flask_hub_auth.hub.directory import Directory
from flask_hub_auth.hub.transport import Transport
from flask_hub_auth.model import Secret
from flask_hub_auth.tokens.readings import after, decided, young

from .conftest import Server, answer

TOKEN = Secret("t0ken")
HELD = [{"permission": {"key": "a"}, "global": True}, {"permission": {"key": "b"}, "projects": [{"id": "1"}]}]
OWN = [{"id": "b", "global": False, "projects": [{"id": "2"}]}, {"id": "c", "global": True}]


def directory(hub: Server, services: dict[str, Any] | None = None, **settings: Any) -> Directory:
    given = {"SECRET_KEY": "k" * 32, "HUB_URL": hub.url, "HUB_SERVICE_ID": "me", "HUB_SERVICES": services or {}}
    config = HubConfig.from_mapping(given | settings, debug=True)
    return Directory(config, Transport(config.url, timeout=1))


def held(directory: Directory) -> dict[str, frozenset[str] | None]:
    """What somebody holds of whom nothing was known before."""
    return decided(young(after(None, directory.permissions(TOKEN), 0), 0, 1)).granted


def own(server: Server) -> dict[str, Any]:
    return {"id": "yt", "url": server.url.removesuffix("/hub") + "/youtrack", "permissions": "own"}


def test_hub_is_asked_about_itself_this_service_and_the_others(server: Server) -> None:
    server.always = answer(HELD)
    services = {"x": {"id": "one", "url": "http://127.0.0.1:9"}, "y": {"id": "two", "url": "http://127.0.0.1:9"}}
    assert held(directory(server, services)) == {"a": None, "b": {"1"}}
    [asked] = server.asked
    assert (asked.method, asked.path) == ("GET", "/hub/api/rest/permissions/cache")
    assert asked.query == {
        "fields": "permission/key,global,projects(id)",
        "query": "service:{0-0-0-0-0} or service:{me} or service:{one} or service:{two}",
    }
    assert asked.headers["authorization"] == "Bearer t0ken"


def test_a_service_with_a_place_of_its_own_is_asked_there_and_both_answers_count(
    server: Server, other_server: Server
) -> None:
    server.always, other_server.always = answer(HELD), answer(OWN)
    assert held(directory(server, {"yt": own(other_server)})) == {"a": None, "b": {"1", "2"}, "c": None}
    assert server.asked[0].query["query"] == "service:{0-0-0-0-0} or service:{me}"
    [asked] = other_server.asked
    assert (asked.path, asked.query) == ("/youtrack/api/permissions/cache", {"fields": "id,global,projects(id)"})
    assert asked.headers["authorization"] == "Bearer t0ken"


AWAY, NO = answer(b"", 503), answer({"error": "Forbidden"}, 403)
NOT_HERE, NONSENSE, NOT_YOU = answer(b"<html>", 404), answer(b"<html>"), answer({"error": "Unauthorized"}, 401)


@pytest.mark.parametrize("wrong", [AWAY, NO, NOT_HERE, NONSENSE, NOT_YOU], ids=str)
def test_what_a_service_does_not_tell_is_denied(wrong: bytes, server: Server, other_server: Server) -> None:
    """S70."""
    server.always, other_server.always = answer(HELD), wrong
    assert held(directory(server, {"yt": own(other_server)})) == {"a": None, "b": {"1"}}


@pytest.mark.parametrize("wrong", [AWAY, NO, NOT_HERE, NONSENSE], ids=str)
def test_what_hub_does_not_tell_is_denied(wrong: bytes, server: Server, other_server: Server) -> None:
    """S70."""
    server.always, other_server.always = wrong, answer(OWN)
    assert held(directory(server, {"yt": own(other_server)})) == {"b": {"2"}, "c": None}


@pytest.mark.parametrize("wrong", [NO, NOT_HERE, NONSENSE], ids=str)
def test_where_nobody_tells_nothing_is_held(wrong: bytes, server: Server, other_server: Server) -> None:
    """S70."""
    server.always = other_server.always = wrong
    assert held(directory(server, {"yt": own(other_server)})) == {}


@pytest.mark.parametrize("both", [False, True])
def test_where_nobody_can_be_asked_that_is_said(both: bool, server: Server, other_server: Server) -> None:
    """S70."""
    server.always = other_server.always = AWAY
    with pytest.raises(HubUnavailable):
        directory(server, {"yt": own(other_server)} if both else {}).permissions(TOKEN)


def test_a_token_that_hub_does_not_take_is_said(server: Server, other_server: Server) -> None:
    server.always, other_server.always = NOT_YOU, answer(OWN)
    with pytest.raises(TokenRejected):
        directory(server, {"yt": own(other_server)}).permissions(TOKEN)


def test_a_person_is_read_with_the_fields_of_the_settings(server: Server) -> None:
    server.always = answer({"id": "1", "login": "jane", "licenses": ["x"]})
    user = directory(server, HUB_USER_FIELDS=["licenses"]).user(TOKEN)
    assert (user.login, user.extra) == ("jane", {"licenses": ["x"]})
    assert server.asked[0].query["fields"].endswith(",licenses")


@pytest.mark.parametrize(
    "service",
    [{"id": "yt} or service:{admin", "url": "http://127.0.0.1:9"}, {"id": "a b", "url": "http://127.0.0.1:9"}],
)
def test_an_id_cannot_say_more_than_an_id(service: dict[str, str], server: Server) -> None:
    with pytest.raises(HubError):
        directory(server, {"x": service})
