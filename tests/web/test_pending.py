"""The cookies of logins on their way: how many, how big, and what is in them."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest
from flask import Flask

from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..visiting import KEY, OTHER_KEY, Visitor, site

MakeSite = Callable[..., Flask]
Visit = Callable[[Flask], Visitor]


def content(cookie: str) -> object:
    """What a cookie says to everybody who has it."""
    packed = cookie.startswith(".")
    payload = cookie.lstrip(".").split(".")[0]
    data = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return json.loads(zlib.decompress(data) if packed else data)


def noise(seed: int, letters: int = 1_500) -> str:
    """Letters that no cookie can pack."""
    return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=letters))


def pending(visitor: Visitor) -> dict[str, str]:
    return {name: value for name, value in visitor.cookies().items() if name.startswith("hub_login_")}


def test_a_cookie_holds_the_state_and_the_return_address_and_nothing_else(visitor: Visitor) -> None:
    """S3."""
    visitor.begin("/private?x=1")
    (cookie,) = pending(visitor).values()
    said = content(cookie)
    assert isinstance(said, dict)
    assert sorted(said) == ["n", "s"]
    assert said["n"] == "/private?x=1"


@pytest.mark.parametrize(
    "next",
    [
        "/" + "a" * 2047,
        "/" + '"' * 2047,
        "/" + "%5C" * 682,
        "/" + quote("ä" * 341),
        "/" + "".join(chr(33 + (7 * place) % 58) for place in range(2040)),
        "/" + "&<>'" * 500,
        "/" + noise(1, 2_047),
    ],
    ids=lambda next: next[:12],
)
def test_the_cookie_of_the_longest_address_is_one_that_browsers_keep(visitor: Visitor, next: str) -> None:
    """S10."""
    answer = visitor.open("/login?next=" + quote(next, safe=""))
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert len(cookie) <= 4_096
    assert len(pending(visitor)) == 1
    for tab in range(5):
        answer = visitor.open("/login?next=" + quote(next[:-1] + str(tab), safe=""))
        assert sum(len(name) + len(value) + 4 for name, value in answer.headers) < 8_000
        assert sum(len(name) + len(value) for name, value in visitor.cookies().items()) < 4_096
    assert visitor.come_back(visitor.answer(answer.location)).status_code == 302


def test_beyond_five_the_oldest_go(visitor: Visitor, hub_clock: Clock) -> None:
    """S10."""
    addresses = []
    for tab in range(8):
        visitor.begin(f"/private/{tab}")
        hub_clock.advance(1)
        addresses.append(f"/private/{tab}")
    kept = [content(cookie) for cookie in pending(visitor).values()]
    assert sorted(said["n"] for said in kept) == addresses[3:]  # type: ignore[index]


def test_a_short_login_is_not_pushed_out_by_long_ones_that_are_older(visitor: Visitor, hub_clock: Clock) -> None:
    """S10: bytes count as well as numbers."""
    for tab in range(3):
        visitor.begin(f"/private/{tab}?x=" + noise(tab))
        hub_clock.advance(1)
    begun = visitor.begin("/private/short")
    assert sum(len(name) + len(value) for name, value in pending(visitor).items()) < 3_700
    assert visitor.come_back(visitor.answer(begun)).location == "/private/short"


@pytest.mark.parametrize("fallbacks", [[KEY], ["a" * 31 + "b", KEY], ["1" * 16 + "2" * 16, "x" * 31 + "y", KEY]])
def test_a_login_that_was_begun_under_an_older_key_is_completed_with_its_own_verifier(
    dev_hub: HubInMemory, fallbacks: list[str], visitor: Visitor
) -> None:
    """S3, R59."""
    begun = visitor.begin("/private")
    after = Visitor(site(dev_hub, SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=fallbacks), dev_hub)
    for name, value in visitor.cookies().items():
        after.client.set_cookie(name, value)
    assert after.come_back(after.answer(begun)).location == "/private"
    assert after.who() == "jane"


def test_a_key_that_is_no_fallback_any_more_opens_no_login(dev_hub: HubInMemory, visitor: Visitor) -> None:
    """R60."""
    begun = visitor.begin("/private")
    after = Visitor(site(dev_hub, SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=["z" * 31 + "y"]), dev_hub)
    for name, value in visitor.cookies().items():
        after.client.set_cookie(name, value)
    answer = after.come_back(after.answer(begun))
    assert answer.status_code == 400
    assert "Sign in again" in answer.text
    assert after.token_calls() == 0


def test_a_clock_that_was_set_back_does_not_make_old_logins_young(visitor: Visitor, hub_clock: Clock) -> None:
    """S11."""
    begun = visitor.begin("/private")
    hub_clock.advance(700)
    assert visitor.come_back(visitor.answer(begun)).status_code == 400


def test_an_application_with_cookies_of_its_own_still_signs_people_in(visitor: Visitor) -> None:
    for number in range(30):
        visitor.client.set_cookie(f"own{number}", "x" * 100)
    assert visitor.sign_in().location == "/private"
    assert len([name for name in visitor.cookies() if name.startswith("own")]) == 30
