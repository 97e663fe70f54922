"""Who is behind a request, and whose token it has."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, jsonify

from flask_hub_auth import HubAuth, current_hub_token, current_hub_user, hub_login_required
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import SCRIPT, TOKEN_PATH, Visitor, add_views, plain_app

MakeSite = Callable[..., Flask]
Visit = Callable[[Flask], Visitor]


@pytest.fixture
def visitor(dev_hub: HubInMemory) -> Visitor:
    """A browser for an application that says who is there."""
    app = plain_app(dev_hub)
    app.extensions["hub"] = HubAuth(app)
    add_views(app)

    @app.get("/me")
    @hub_login_required
    def me() -> Any:
        user = current_hub_user
        return jsonify(
            id=user.id,
            login=user.login,
            name=user.name,
            email=user.email,
            groups=sorted(user.groups),
            avatar=user.avatar_url,
            banned=user.banned,
            guest=user.guest,
        )

    @app.get("/token")
    def token() -> str:
        return current_hub_token.access_token.reveal()

    @app.get("/shown")
    def shown() -> Any:
        token = current_hub_token
        return jsonify(token=token.access_token, text=f"{token!r} {token.access_token} {token.refresh_token!s:>5}")

    return Visitor(app, dev_hub)


def test_the_person_is_who_hub_says(visitor: Visitor, dev_hub: HubInMemory) -> None:
    """S39."""
    visitor.sign_in("/me")
    jane = dev_hub.people.users["jane"]
    assert visitor.open("/me").json == {
        "id": jane.id,
        "login": "jane",
        "name": "Jane Doe",
        "email": "jane@example.com",
        "groups": ["All Users", "Developers", "Staff"],
        "avatar": visitor.open("/me").json["avatar"],
        "banned": False,
        "guest": False,
    }
    assert visitor.open("/me").json["avatar"].startswith("https://hub.test/hub/")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "{{7*7}}", "a\u202eb", "𝓙ane", 'O\'Neil "x"', "名前", "x" * 5_000, "\x00\n\t"]
)
def test_whatever_a_person_is_called_they_are_signed_in(visitor: Visitor, dev_hub: HubInMemory, name: str) -> None:
    """S100."""
    dev_hub.update_user("jane", name=name)
    visitor.sign_in("/me")
    assert visitor.open("/me").json["name"] == name


def test_a_stranger_has_no_token(visitor: Visitor) -> None:
    answer = visitor.open("/token", headers=SCRIPT)
    assert (answer.status_code, answer.json["code"]) == (401, "HUB-401")


def test_the_token_of_the_person_is_good_and_renewed_when_it_is_read(
    hub_clock: Clock, visitor: Visitor, dev_hub: HubInMemory
) -> None:
    visitor.sign_in()
    first = visitor.open("/token").text
    hub_clock.advance(3_599)
    second = visitor.open("/token").text
    assert first != second
    assert visitor.token_calls() == 2


def test_a_token_that_is_over_and_cannot_be_renewed_is_503_at_once(
    hub_clock: Clock, visitor: Visitor, dev_hub: HubInMemory
) -> None:
    """The page that needs no token goes on."""
    visitor.sign_in()
    dev_hub.fail(status=503)
    hub_clock.advance(3_601)
    answer = visitor.open("/token", headers=SCRIPT)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert visitor.open("/private").status_code == 200
    hub_clock.advance(300)
    assert visitor.open("/private").status_code == 503


def test_a_token_is_not_shown_by_accident(visitor: Visitor) -> None:
    """L2."""
    visitor.sign_in()
    token = visitor.open("/token").text
    shown = visitor.open("/shown")
    assert shown.json["token"] == "***"
    assert token not in shown.text
    assert "***" in shown.json["text"]


def test_a_banned_person_is_out_within_the_time_to_live(
    hub_clock: Clock, visitor: Visitor, dev_hub: HubInMemory
) -> None:
    visitor.sign_in()
    dev_hub.update_user("jane", banned=True)
    assert visitor.who() == "jane"
    hub_clock.advance(301)
    assert visitor.who() == "nobody"
    assert visitor.open("/private", headers=SCRIPT).status_code == 401


@pytest.mark.parametrize("cut", [0, 1, 20, 60, -1, -10])
def test_a_session_that_is_cut_is_nobodys(visitor: Visitor, cut: int) -> None:
    """S45."""
    visitor.sign_in()
    visitor.client.set_cookie("session", visitor.cookies()["session"][:cut])
    assert visitor.who() == "nobody"


def test_a_session_with_any_bit_flipped_is_nobodys(visitor: Visitor) -> None:
    """S45, L22: and every answer is the same."""
    visitor.sign_in()
    good = visitor.cookies()["session"]
    answers = set()
    for place in range(len(good)):
        for bit in (1, 2, 4, 8, 16, 32):
            flipped = good[:place] + chr(ord(good[place]) ^ bit) + good[place + 1 :]
            if not flipped.isprintable() or same_bytes(flipped, good):
                continue
            answer = visitor.app.test_client().get("/", headers={"Cookie": f"session={flipped}"})
            answers.add((answer.status_code, answer.text))
    assert answers == {(200, "nobody")}


def same_bytes(one: str, other: str) -> bool:
    """Whether two cookies differ only in bits of the signature that base64 does not count."""

    def decoded(text: str) -> bytes:
        try:
            return base64.urlsafe_b64decode(text.rpartition(".")[2] + "=")
        except ValueError:
            return text.encode()

    return one.rpartition(".")[0] == other.rpartition(".")[0] and decoded(one) == decoded(other)


@pytest.mark.parametrize("what", ["flip", "cut", "noise", "other", "empty"])
def test_a_record_that_was_altered_in_the_store_is_no_login(visitor: Visitor, visit: Visit, what: str) -> None:
    """S45, S47."""
    other = visit(visitor.app)
    other.sign_in(as_="john")
    visitor.sign_in()
    store = visitor.app.extensions["hub_auth"].keeper.logins.store
    first, second = (key for key in store._cache._cache if key.startswith("hub_"))
    end, sealed = store._cache._cache[second]
    changed = {
        "flip": sealed[:70] + bytes([sealed[70] ^ 1]) + sealed[71:],
        "cut": sealed[:-1],
        "noise": b"\x80\x04" + b"A" * 10_000,
        "other": store._cache._cache[first][1],
        "empty": b"",
    }
    store._cache._cache[second] = (end, changed[what])
    assert visitor.who() == "nobody"
    assert other.who() == "john"


def test_an_answer_that_did_not_ask_who_is_there_reads_no_login(visitor: Visitor) -> None:
    visitor.app.add_url_rule("/plain", "plain", lambda: "plain")
    visitor.sign_in()
    answer = visitor.open("/plain")
    assert "Cache-Control" not in answer.headers
    assert "Vary" not in answer.headers


def test_one_request_tries_to_renew_a_token_once(visitor: Visitor, dev_hub: HubInMemory, hub_clock: Clock) -> None:
    """R1: the guard tries, and the view has what that gave."""
    visitor.app.add_url_rule(
        "/both", "both", hub_login_required(lambda: current_hub_token.access_token.reveal()), methods=["GET"]
    )
    visitor.sign_in("/me")
    before = visitor.open("/both").text
    hub_clock.advance(3600 - 30)
    dev_hub.fail(TOKEN_PATH, status=503)
    count = visitor.token_calls()
    assert visitor.open("/both").text == before
    assert visitor.token_calls() == count + 1
    dev_hub.mend()
    hub_clock.advance(5)
    assert visitor.open("/both").text != before


def test_a_token_that_was_renewed_in_the_same_request_is_the_new_one(visitor: Visitor, dev_hub: HubInMemory) -> None:
    hub = visitor.app.extensions["hub"]

    @visitor.app.get("/twice")
    def twice() -> Any:
        before = current_hub_token.access_token
        dev_hub.expire()
        hub.as_user().get("/users/me")
        return jsonify(before != current_hub_token.access_token)

    visitor.sign_in("/me")
    assert visitor.open("/twice").json is True


def test_a_login_that_ends_in_the_same_request_has_no_token(visitor: Visitor) -> None:
    keeper = visitor.app.extensions["hub_auth"].keeper

    @visitor.app.get("/ends")
    def ends() -> str:
        assert current_hub_user
        for entry in keeper.logins.people.of(current_hub_user.id):
            keeper.logins.remove_listed(current_hub_user.id, entry.key)
        return current_hub_token.access_token.reveal()

    visitor.sign_in("/me")
    assert visitor.open("/ends", headers=SCRIPT).status_code == 401
