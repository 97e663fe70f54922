from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from flask_hub_auth.devhub import DevHub

from .conftest import CALLBACK, Visitor

TWIN = "http://127.0.0.1:5000/authorized"


def log_out(visitor: Visitor, **fields: str | None) -> TestResponse:
    usual = {"client_id": visitor.hub.service_id, "state": "s 1", **fields}
    query = urlencode({name: value for name, value in usual.items() if value is not None})
    return visitor.get(f"/api/rest/oauth2/logout?{query}")


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.ask().status_code == 302


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ({}, f"{CALLBACK}?state=s%201"),
        ({"state": None}, CALLBACK),
        ({"redirect_uri": TWIN}, f"{TWIN}?state=s%201"),
        ({"post_logout_redirect_uri": TWIN}, f"{TWIN}?state=s%201"),
        ({"post_logout_redirect_uri": TWIN, "redirect_uri": CALLBACK, "id_token_hint": "x"}, f"{TWIN}?state=s%201"),
    ],
)
def test_a_service_signs_its_user_out_and_gets_them_back(
    visitor: Visitor, query: dict[str, str | None], location: str
) -> None:
    visitor.sign_in("jane")
    answer = log_out(visitor, **query)
    assert (answer.status_code, answer.location) == (303, location)
    assert not is_signed_in(visitor)


@pytest.mark.parametrize("name", ["redirect_uri", "post_logout_redirect_uri"])
@pytest.mark.parametrize("uri", ["https://evil.example/", f"{CALLBACK}/", "//evil.example", "javascript:alert(1)"])
def test_signing_out_leads_to_no_address_that_is_not_the_service_s(
    visitor: Visitor, hub: DevHub, name: str, uri: str
) -> None:
    """S97"""
    visitor.sign_in("jane")
    answer = log_out(visitor, **{name: uri})
    assert answer.status_code == 303
    assert answer.location.startswith("https://hub.test/hub/auth/oauth/error?")
    assert "error=invalid_redirect_uri" in answer.location
    assert [entry["redirectURI"] for entry in hub.service.untrusted_redirect_uris] == [uri]
    assert is_signed_in(visitor)


@pytest.mark.parametrize("query", ["", "client_id=none", "client_id=a&client_id=b"])
def test_nobody_known_signs_nobody_out(visitor: Visitor, query: str) -> None:
    visitor.sign_in("jane")
    answer = visitor.get(f"/api/rest/oauth2/logout?{query}")
    assert "/auth/oauth/error?" in answer.location
    assert is_signed_in(visitor)


def test_a_stranger_is_sent_back_too(visitor: Visitor) -> None:
    assert log_out(visitor).location == f"{CALLBACK}?state=s%201"


def test_a_service_without_an_address_leaves_its_user_at_hub(visitor: Visitor, hub: DevHub) -> None:
    hub.service.redirect_uris = []
    visitor.sign_in("jane")
    assert log_out(visitor).location == "https://hub.test/hub/"
    assert "Nobody is signed in" in visitor.get("/").text


def test_an_older_hub_does_not_know_the_address(make_visitor: Callable[..., Visitor]) -> None:
    visitor = make_visitor(rp_logout=False)
    visitor.sign_in("jane")
    assert log_out(visitor).status_code == 404
    assert is_signed_in(visitor)
