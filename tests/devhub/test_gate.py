from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import Client

from flask_hub_auth.devhub import DevHub

from .conftest import Visitor


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("localhost", True),
        ("localhost:8099", True),
        ("127.0.0.1:8099", True),
        ("[::1]:8099", True),
        ("hub.test", True),
        ("LOCALHOST", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("192.168.0.1", False),
        ("0.0.0.0", False),
        ("localhost@evil.example", False),
        ("localhost,evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("path", ["/hub/api/rest/users/me", "/__dev__/calls", "/"])
def test_only_hosts_of_this_machine_are_answered(hub: DevHub, host: str, good: bool, path: str) -> None:
    """S95"""
    response = Client(hub.app).get(path, headers={"Host": host})
    assert (response.status_code != 421) == good


def test_a_hub_at_a_loopback_address_does_not_answer_to_the_name_of_tests() -> None:
    hub = DevHub(url="http://localhost:8099/hub")
    assert Client(hub.app).get("/hub/", headers={"Host": "hub.test"}).status_code == 421


@pytest.mark.parametrize("base", ["http://localhost:8099", "http://127.0.0.1:8099", "https://hub.test"])
def test_redirects_stay_on_the_host_that_was_asked_and_the_issuer_does_not_change(visitor: Visitor, base: str) -> None:
    to_login = visitor.get(f"{base}/hub/api/rest/oauth2/auth?{visitor.query()}")
    assert to_login.location.startswith(f"{base}/hub/auth/login?")
    form = {"username": "jane", "password": "jane"}
    signed_in = visitor.post(f"{base}/hub/api/rest/oauth2/interactive/login?{visitor.query()}", data=form)
    assert signed_in.location.startswith(f"{base}/hub/api/rest/oauth2/auth?")
    visitor.hub.change(iss=True)
    assert "iss=https%3A%2F%2Fhub.test%2Fhub" in visitor.get(signed_in.location).location


@pytest.mark.parametrize(
    "url", ["https://hub.test", "https://hub.test/", "https://hub.test/a/b", "https://hub.test/hub/"]
)
def test_hub_may_be_anywhere_on_its_host(make_visitor: Callable[..., Visitor], url: str) -> None:
    visitor = make_visitor(url=url)
    assert visitor.hub.url == url.rstrip("/")
    assert "code" in visitor.get(visitor.sign_in("jane").location).location
    assert visitor.hub.calls[0]["path"] == "/api/rest/oauth2/interactive/login"
    assert visitor.get(f"https://hub.test{visitor.hub.path}/static/hub.css").status_code == 200
    assert visitor.get("https://hub.test/__dev__/calls").status_code == 200


def test_what_is_beside_hub_leads_to_it(visitor: Visitor) -> None:
    root = visitor.get("https://hub.test/")
    assert (root.status_code, root.location) == (303, "/hub/")
    assert visitor.get("https://hub.test/favicon.ico").status_code == 204
    assert visitor.get("https://hub.test/hubble").status_code == 404
    assert visitor.get("/").status_code == 200
    assert visitor.get("").status_code in (200, 308)


def test_a_body_that_is_too_long_is_not_read(visitor: Visitor) -> None:
    assert visitor.post("/api/rest/oauth2/token", data=b"x" * (1024 * 1024 + 1)).status_code == 413
