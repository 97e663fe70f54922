"""A service is registered, and may then do what it is registered for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_hub_auth.devhub import HUB_ID, DevHub, Served, serve
from flask_hub_auth.errors import HubRefused, TokenRejected
from flask_hub_auth.hub import HubOAuth, HubRest
from flask_hub_auth.model import Secret

ADMIN = ("admin", Secret("admin"))
HOME = "https://reports.example"
URIS = [f"{HOME}/authorized"]


@pytest.fixture
def served() -> Iterator[Served]:
    with serve(DevHub()) as served:
        yield served


def test_a_service_is_registered_and_works(served: Served) -> None:
    service_id, secret = HubRest(served.url, ADMIN).register("Reports", HOME, URIS, trusted=True, vendor="We")
    assert secret is not None
    assert HubOAuth(served.url, service_id, secret).for_service((HUB_ID, service_id)).scope == f"{HUB_ID} {service_id}"
    service = served.hub.people.services[service_id]
    assert (service.name, service.home_url, service.redirect_uris, service.trusted) == ("Reports", HOME, URIS, True)


def test_an_administrators_token_is_as_good_as_a_password(served: Served) -> None:
    token = served.hub.token_for("admin")
    service_id, _ = HubRest(served.url, token).register("Reports", HOME, URIS)
    assert HubRest(served.url, token).service_named("Reports") == service_id


def test_a_hub_that_gives_no_secret_makes_a_public_client(served: Served) -> None:
    served.hub.gives_secrets = False
    assert HubRest(served.url, ADMIN).register("Reports", HOME, URIS)[1] is None


def test_a_name_that_is_taken_is_refused_in_hubs_own_word(served: Served) -> None:
    HubRest(served.url, ADMIN).register("Reports", HOME, URIS)
    with pytest.raises(HubRefused) as refusal:
        HubRest(served.url, ADMIN).register("Reports", HOME, URIS)
    assert refusal.value.error == "must-be-unique"


def test_who_is_no_administrator_registers_nothing(served: Served) -> None:
    with pytest.raises(HubRefused, match="Forbidden"):
        HubRest(served.url, ("john", Secret("john"))).register("Reports", HOME, URIS)
    assert "Reports" not in {service.name for service in served.hub.people.services.values()}


def test_a_wrong_password_is_told_from_a_lack_of_rights(served: Served) -> None:
    with pytest.raises(TokenRejected):
        HubRest(served.url, ("admin", Secret("wrong"))).register("Reports", HOME, URIS)


def test_only_the_exact_name_is_found(served: Served) -> None:
    rest = HubRest(served.url, ADMIN)
    service_id, _ = rest.register('The "Reports"', HOME, URIS)
    rest.register("The Reports of last year", HOME, URIS)
    assert rest.service_named('The "Reports"') == service_id
    assert [rest.service_named(name) for name in ("the reports", "The Reports", "Reports", "*")] == [None] * 4


def test_a_registered_service_is_changed(served: Served) -> None:
    rest = HubRest(served.url, ADMIN)
    service_id, _ = rest.register("Reports", HOME, URIS)
    rest.update(service_id, "https://new.example", ["https://new.example/authorized"])
    service = served.hub.people.services[service_id]
    assert (service.name, service.home_url) == ("Reports", "https://new.example")
    assert service.redirect_uris == ["https://new.example/authorized"]


def test_the_id_of_a_service_says_nothing_else_in_a_query(served: Served) -> None:
    rest = HubRest(served.url, served.hub.token_for("jane"))
    for odd in ("x} or service:{0-0-0-0-0", "", "a b", "a{"):
        with pytest.raises(ValueError, match="Not the id of a service"):
            rest.permissions([HUB_ID, odd])


def test_a_scope_may_be_one_text(served: Served) -> None:
    oauth = HubOAuth(served.url, served.hub.service_id, served.hub.service_secret)
    assert oauth.for_service(HUB_ID).scope == HUB_ID
