from __future__ import annotations

import re
import threading

import pytest
from flask import Flask

from flask_hub_auth.devhub import DevHub, Service

from .conftest import Visitor


@pytest.mark.parametrize(("debug", "testing"), [(True, False), (False, True)])
def test_it_runs_in_development_and_in_tests(debug: bool, testing: bool) -> None:
    """S95"""
    app = Flask("app")
    app.debug, app.testing = debug, testing
    DevHub.require_development(app)


def test_it_refuses_to_run_in_production(hub: DevHub) -> None:
    """S95"""
    with pytest.raises(RuntimeError, match="DEBUG or TESTING"):
        hub.require_development(Flask("app"))


def test_a_grant_is_what_the_token_endpoint_answers(visitor: Visitor, hub: DevHub) -> None:
    made = hub.grant("jane")
    asked = visitor.exchange(visitor.code("jane", access_type="offline")).get_json()
    assert made.keys() == asked.keys()
    assert made["scope"] == asked["scope"]
    assert "refresh_token" not in hub.grant("jane", offline=False)
    assert hub.grant("jane", "Hub")["scope"] == "Hub"
    assert hub.calls[-1]["path"] == "/api/rest/oauth2/token"


def test_an_unknown_login_is_named_with_those_there_are(hub: DevHub) -> None:
    for call in (hub.token_for, hub.grant, hub.revoke, hub.update_user):
        with pytest.raises(KeyError, match="no user 'nobody'; there are admin, jane"):
            call("nobody")


def test_mend_takes_all_faults_back(visitor: Visitor, hub: DevHub) -> None:
    hub.fail("/api/rest/users/me", status=500)
    hub.fail(status=500)
    hub.mend()
    assert visitor.me().status_code == 200


def test_more_users_and_services_can_be_added(visitor: Visitor, hub: DevHub) -> None:
    hub.add_user("Zoë ✓", "Zoë", groups=["Choir"], email_verified=False)
    visitor.sign_in("Zoë ✓")
    me = visitor.me(hub.token_for("Zoë ✓")).get_json()
    assert me["profile"]["email"]["verified"] is False
    assert [group["name"] for group in me["groups"]] == ["Choir"]
    hub.add_service(Service("yt", "YouTrack", "secret", trusted=True))
    token = visitor.token(auth=("yt", "secret"), grant_type="client_credentials", scope="Hub YouTrack")
    assert token.get_json()["scope"] == "Hub YouTrack"


def test_a_user_without_an_email_has_none_in_the_profile(visitor: Visitor, hub: DevHub) -> None:
    hub.add_user("shy", email=None)
    assert "email" not in visitor.me(hub.token_for("shy")).get_json()["profile"]


@pytest.mark.parametrize("url", ["", "hub.test/hub", "ftp://hub.test", "https:///hub"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url must be Hub's base"):
        DevHub(url=url)


@pytest.mark.parametrize("service_id", ["", "my.app", "my app", "a;b", "a:b", "a+b", "a%2Eb", "ä", "a\n"])
def test_a_service_id_that_no_token_could_name_is_refused(hub: DevHub, service_id: str) -> None:
    sentence = re.escape(f"A service id is letters, digits, - and _, got {service_id!r}.")
    with pytest.raises(ValueError, match=f"^{sentence}"):
        DevHub(service_id=service_id)
    with pytest.raises(ValueError, match=f"^{sentence}"):
        hub.add_service(Service(service_id, "Mine"))


def test_an_unknown_token_format_is_refused() -> None:
    with pytest.raises(ValueError, match="classic"):
        DevHub(tokens="jwt")  # type: ignore[arg-type]


def test_users_have_the_same_ids_at_each_start() -> None:
    first, second = DevHub(), DevHub()
    assert {user.id for user in first.people.users.values()} == {user.id for user in second.people.users.values()}
    assert len({user.id for user in first.people.users.values()}) == 5


def test_with_rotation_one_of_many_threads_gets_the_new_token(hub: DevHub) -> None:
    hub.rotate = True
    refresh_token = hub.grant("jane")["refresh_token"]
    barrier = threading.Barrier(8)
    statuses: list[int] = []

    def renew() -> None:
        visitor = Visitor(hub)
        barrier.wait()
        statuses.append(visitor.refresh(refresh_token).status_code)

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[403] * 7]


def test_a_secret_does_not_show_when_a_value_is_printed(hub: DevHub) -> None:
    """L2"""
    assert str(hub.service_secret) not in repr(hub.service)
    assert hub.token_for("jane") not in repr(hub)
