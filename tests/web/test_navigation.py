"""Who is sent to Hub, and who is told 401: what can open a page and come back, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest

from ..visiting import Visitor

PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": PAGE}

PEOPLE: dict[str, dict[str, str]] = {
    "a browser of today": NAVIGATE,
    "a browser of today, by a link of another site": {
        **NAVIGATE,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-User": "?1",
    },
    "a service worker that passes a navigation on": {**NAVIGATE, "Sec-Fetch-Dest": "empty"},
    "a browser that takes anything": {**NAVIGATE, "Accept": "*/*"},
    "an old browser": {"Accept": PAGE},
    "an old browser that says little": {"Accept": "text/html"},
    "an Android web view": {**NAVIGATE, "X-Requested-With": "com.example.app"},
    "an old Android web view": {"Accept": PAGE, "X-Requested-With": "com.example.app"},
    "a browser that prefers HTML to JSON": {"Accept": "application/json;q=0.5,text/html"},
    "a browser that names a proxy's password": {**NAVIGATE, "Authorization": "Basic amFuZTpqYW5l"},
}
OTHERS: dict[str, dict[str, str]] = {
    "nothing said": {},
    "anything": {"Accept": "*/*"},
    "JSON": {"Accept": "application/json"},
    "JSON before HTML": {"Accept": "application/json,text/html;q=0.9"},
    "HTML and JSON alike": {"Accept": "text/html,application/json"},
    "fetch": {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    "fetch that asks for HTML": {"Accept": PAGE, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    "fetch of the same origin": {"Accept": PAGE, "Sec-Fetch-Mode": "same-origin", "Sec-Fetch-Dest": "empty"},
    "an image": {"Accept": "image/*,*/*;q=0.8", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "a script": {"Accept": PAGE, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    "a frame": {**NAVIGATE, "Sec-Fetch-Dest": "iframe"},
    "an object": {**NAVIGATE, "Sec-Fetch-Dest": "object"},
    "a web socket": {"Accept": PAGE, "Sec-Fetch-Mode": "websocket", "Sec-Fetch-Dest": "websocket"},
    "no destination of a script": {"Accept": PAGE, "Sec-Fetch-Dest": "empty"},
    "XMLHttpRequest": {"Accept": PAGE, "X-Requested-With": "XMLHttpRequest"},
    "xmlhttprequest in small letters": {**NAVIGATE, "X-Requested-With": "xmlhttprequest"},
    "a prefetch": {**NAVIGATE, "Sec-Purpose": "prefetch"},
    "a prerender": {**NAVIGATE, "Sec-Purpose": "prefetch;prerender"},
    "a prefetch of an old Firefox": {"Accept": PAGE, "X-Moz": "prefetch"},
    "a preview of an old Safari": {"Accept": PAGE, "X-Purpose": "preview"},
    "htmx": {"Accept": "*/*", "HX-Request": "true"},
}


@pytest.mark.parametrize("headers", PEOPLE.values(), ids=PEOPLE)
def test_a_person_who_opens_a_page_is_sent_to_hub(visitor: Visitor, headers: dict[str, str]) -> None:
    """S69."""
    assert visitor.sign_in("/private?x=1").location == "/private?x=1"
    visitor.client.delete_cookie("session")
    answer = visitor.open("/private", headers=headers)
    assert answer.status_code == 302
    assert answer.location.startswith(visitor.hub.url)


@pytest.mark.parametrize("headers", OTHERS.values(), ids=OTHERS)
def test_what_cannot_come_back_gets_401_and_no_pending_login(visitor: Visitor, headers: dict[str, str]) -> None:
    """S8, S69."""
    answer = visitor.open("/private?x=1", headers=headers)
    assert answer.status_code == 401
    assert "Location" not in answer.headers
    assert visitor.cookies() == {}
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="{visitor.hub.service_id}"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("headers", [NAVIGATE, {"Accept": "application/json"}], ids=["navigation", "script"])
def test_what_is_no_get_gets_401_and_no_pending_login(visitor: Visitor, method: str, headers: Any) -> None:
    """S8, S21, S69."""
    visitor.app.view_functions["put"] = visitor.app.view_functions["private"]
    visitor.app.add_url_rule("/put", "put", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    answer = visitor.open("/put?x=1", method, headers=headers)
    assert answer.status_code == 401
    assert visitor.cookies() == {}


@pytest.mark.parametrize(
    ("current", "next"),
    [
        (None, "/private%3Fx%3D1"),
        ("http://localhost:5000/board?y=2#z", "/board%3Fy%3D2%23z"),
        ("http://localhost:5000", "/"),
        ("https://evil.example/board", "/private%3Fx%3D1"),
        ("http://localhost:5000//evil.example", "/private%3Fx%3D1"),
        ("http://localhost:5000.evil.example/", "/private%3Fx%3D1"),
        ("javascript:alert(1)", "/private%3Fx%3D1"),
    ],
)
def test_htmx_is_told_to_open_the_login_for_the_page_it_is_on(visitor: Visitor, current: str | None, next: str) -> None:
    headers = {"HX-Request": "true", "Accept": "text/html, */*"} | ({"HX-Current-URL": current} if current else {})
    answer = visitor.open("/private?x=1", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == f"/login?next={next}"
    assert visitor.cookies() == {}


def test_htmx_is_told_the_same_about_a_form(visitor: Visitor) -> None:
    answer = visitor.open("/private", "POST", headers={"HX-Request": "true"}, data={"text": "written"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login"


def test_a_form_that_is_sent_after_the_login_ended_gets_a_page_that_says_so(visitor: Visitor) -> None:
    """R51, S69: nothing is executed, and nothing of the input is kept or shown."""
    answer = visitor.open("/private", "POST", headers=NAVIGATE, data={"text": "canary-input"})
    assert answer.status_code == 401
    assert answer.mimetype == "text/html"
    assert "signed out" in answer.text
    assert "not sent" in answer.text
    assert 'href="/login' in answer.text
    assert "canary" not in answer.text
    assert visitor.cookies() == {}


def test_a_script_that_sends_a_form_gets_problem_details(visitor: Visitor) -> None:
    """R51."""
    answer = visitor.open("/private", "POST", headers={"Accept": "application/json"}, json={"text": "x"})
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    assert answer.json["login_url"] == "/login"


@pytest.mark.parametrize("headers", [*OTHERS.values()], ids=[*OTHERS])
def test_the_login_address_itself_answers_every_get_but_a_prefetch(visitor: Visitor, headers: dict[str, str]) -> None:
    """S8."""
    words = " ".join(headers.values())
    ahead = "prefetch" in words or "preview" in words
    answer = visitor.open("/login?next=/private", headers=headers)
    assert answer.status_code == (401 if ahead else 302)
    assert bool(visitor.cookies()) is not ahead
