"""Presented tokens without Flask: how often they are checked, how often Hub is asked, and what is remembered."""

from __future__ import annotations

import base64
import gc
import secrets
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from flask_hub_auth.config import HubConfig
from flask_hub_auth.devhub import HUB_ID
from flask_hub_auth.errors import HubError, HubProtocolError, HubUnavailable, LoginRequired
from flask_hub_auth.hub import signed
from flask_hub_auth.hub.directory import Directory
from flask_hub_auth.hub.transport import Transport
from flask_hub_auth.sealing import Sealer
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.tokens.bearer import LOOKUPS, REMEMBERED, BearerTokens

from .conftest import Time, at_once
from .keeping import KEY, ME_PATH

KEY_PATH = "/api/rest/oauth2/key"
CACHE_PATH = "/api/rest/permissions/cache"
YOUTRACK = "d2c5b7a4-0000-4000-8000-000000000001"
Make = Callable[..., BearerTokens]


@pytest.fixture
def still(clock: Time, monkeypatch: pytest.MonkeyPatch) -> Time:
    """A clock that stands still unless it is moved, so that a second has as many look-ups on every machine."""
    now, monotonic = clock._time(), clock._monotonic()
    monkeypatch.setattr(clock, "_time", lambda: now)
    monkeypatch.setattr(clock, "_monotonic", lambda: monotonic)
    return clock


@pytest.fixture
def make(dev_hub: HubInMemory) -> Make:
    """Makes what checks presented tokens for the dev Hub's service."""

    def tokens(**settings: Any) -> BearerTokens:
        config = HubConfig.from_mapping({"SECRET_KEY": KEY, **dev_hub.settings, **settings}, debug=True)
        transport = Transport(config.url, timeout=config.timeout)
        sealer = Sealer(config.secret_keys, (config.url, config.service_id))
        return BearerTokens(config, transport, Directory(config, transport), sealer, clock=lambda: time.time())

    return tokens


def opaque(hub: HubInMemory, login: str = "jane") -> str:
    hub.change(tokens="opaque")
    return hub.token_for(login)


def calls(hub: HubInMemory, path: str | None = None) -> int:
    return sum(path in (None, call["path"]) for call in hub.calls)


def outcome(check: Callable[[], Any]) -> str:
    """What comes of it, in a word."""
    try:
        check()
    except HubError as error:
        return type(error).__name__
    return "good"


def assert_bad(tokens: BearerTokens, token: str) -> None:
    with pytest.raises(LoginRequired) as caught:
        tokens.check(token)
    assert caught.value.error == "invalid_token"
    assert token not in str(caught.value)


# One check of a signature


class CountedKey:
    """Hub's public key, which counts what it verifies."""

    def __init__(self, key: DSAPublicKey, count: Counter[bytes]) -> None:
        self._key = key
        self._count = count

    def verify(self, signature: bytes, data: bytes, algorithm: Any) -> None:
        self._count[data] += 1
        self._key.verify(signature, data, algorithm)


DSAPublicKey.register(CountedKey)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often each text was verified, counted at the key itself."""
    count: Counter[bytes] = Counter()
    load = signed.load_der_public_key
    monkeypatch.setattr(signed, "load_der_public_key", lambda der: CountedKey(load(der), count))
    return count


def test_a_signature_is_checked_at_first_sight_and_never_after(
    make: Make, dev_hub: HubInMemory, verified: Counter[bytes], still: Time
) -> None:
    """S79."""
    tokens = make()
    good = [dev_hub.token_for("jane", life=3600 + n) for n in range(20)]
    for _ in range(50):
        for token in good:
            assert tokens.check(token).user_id
        still.advance(60)
    print(f"\n{50 * len(good)} presented, {verified.total()} signatures checked, {calls(dev_hub)} calls at Hub")
    assert (len(verified), verified.total(), calls(dev_hub)) == (len(good), len(good), 1)


def test_a_token_that_many_present_at_once_is_checked_once(
    make: Make, dev_hub: HubInMemory, verified: Counter[bytes]
) -> None:
    tokens, token = make(), dev_hub.token_for("jane")
    dev_hub.fail(KEY_PATH, delay=0.2)
    found = at_once([lambda: tokens.check(token)] * 20)
    assert len({id(each) for each in found}) == 1
    assert (verified.total(), calls(dev_hub)) == (1, 1)


def test_a_forged_token_is_not_remembered_as_good_or_bad(
    make: Make, dev_hub: HubInMemory, verified: Counter[bytes]
) -> None:
    tokens, token = make(), dev_hub.token_for("jane")
    forged = token.replace(dev_hub.user("jane").id, dev_hub.user("admin").id)
    for _ in range(3):
        assert_bad(tokens, forged)
        assert tokens.check(token).user_id == dev_hub.user("jane").id
    assert sorted(verified.values()) == [1, 3]


def test_a_remembered_token_ends_when_it_ends(
    make: Make, dev_hub: HubInMemory, verified: Counter[bytes], still: Time
) -> None:
    """S78, S81: a minute after its end, by which clocks may be apart."""
    tokens, token = make(), dev_hub.token_for("jane", life=100)
    tokens.check(token)
    still.advance(159)
    tokens.check(token)
    assert verified.total() == 1
    still.advance(1)
    assert_bad(tokens, token)


# Rotation of Hub's key


def test_after_a_rotation_the_key_is_read_once_and_old_tokens_stay_good(
    make: Make, dev_hub: HubInMemory, still: Time
) -> None:
    """R29."""
    tokens = make()
    old = [dev_hub.token_for("jane") for _ in range(20)]
    for token in old[:10]:
        tokens.check(token)
    still.advance(61)
    dev_hub.rotate_key()
    new = [dev_hub.token_for("john", life=3600 + n) for n in range(1000)]
    assert {outcome(lambda token=token: tokens.check(token)) for token in [*old, *new]} == {"good"}
    assert calls(dev_hub) == 2
    still.advance(60)
    junk = [token.replace(";2.", f";{3 + n}.") for n, token in enumerate(new[:100])]
    assert {outcome(lambda token=token: tokens.check(token)) for token in junk} == {"LoginRequired"}
    assert calls(dev_hub) == 3
    assert {outcome(lambda token=token: tokens.check(token)) for token in [*old, *new]} == {"good"}


# Floods


def forged(number: int, hub: HubInMemory) -> str:
    data = f"{2_000_000_000_000 + number}.{hub.service_id}.{secrets.token_hex(8)}.{HUB_ID} {hub.service_id}"
    return f"{data};1.{base64.b64encode(encode_dss_signature(secrets.randbits(158), secrets.randbits(158))).decode()}"


def of_other_key(number: int, hub: HubInMemory) -> str:
    return forged(number, hub).replace(";1.", f";{number + 2}.")


def no_token(number: int, hub: HubInMemory) -> str:
    return f"junk {number} " + "x" * 500


def too_long(number: int, hub: HubInMemory) -> str:
    return f"{number}" + "x" * 9000


def unsigned(number: int, hub: HubInMemory) -> str:
    return secrets.token_urlsafe(200)


JUNK = {each.__name__: each for each in (forged, of_other_key, no_token, too_long, unsigned)}


@pytest.mark.parametrize(
    ("kind", "mode"), [*((kind, "signed") for kind in JUNK), ("forged", "any"), ("unsigned", "any")]
)
def test_ten_thousand_junk_tokens_cost_little(kind: str, mode: str, make: Make, dev_hub: HubInMemory) -> None:
    """S79, S80: a good token answers all the while."""
    tokens, good = make(HUB_BEARER=mode), dev_hub.token_for("jane")
    tokens.check(good)
    before, begun = calls(dev_hub), time.monotonic()
    gc.collect()
    tracemalloc.start()
    outcomes: Counter[str] = Counter()
    for number in range(10_000):
        junk = JUNK[kind](number, dev_hub)
        outcomes[outcome(lambda junk=junk: tokens.check(junk))] += 1
        if number % 100 == 0:
            assert tokens.check(good).user_id
    gc.collect()
    grown, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    took, asked = time.monotonic() - begun, calls(dev_hub) - before
    print(f"\n{kind}, {mode}: {dict(outcomes)}, {asked} calls at Hub in {took:.1f} s, {grown / 1024:.0f} KiB more,")
    print(f"at most {most / 1024:.0f} KiB")
    allowed = LOOKUPS * (took + 1) if (kind, mode) == ("unsigned", "any") else 1
    assert asked <= allowed
    assert most < 2 * 1024 * 1024
    assert "good" not in outcomes
    assert outcomes["HubUnavailable"] == (10_000 - asked if allowed > 1 else 0)


def test_twenty_unknown_tokens_are_asked_about_in_a_second(make: Make, dev_hub: HubInMemory, still: Time) -> None:
    """S79."""
    tokens = make(HUB_BEARER="any")
    unknown = iter(f"unknown{n}" for n in range(1000))
    assert [outcome(lambda: tokens.check(next(unknown))) for _ in range(25)] == [
        *["LoginRequired"] * 20,
        *["HubUnavailable"] * 5,
    ]
    assert calls(dev_hub) == 20
    still.advance(0.5)
    assert Counter(outcome(lambda: tokens.check(next(unknown))) for _ in range(25)) == {
        "LoginRequired": 10,
        "HubUnavailable": 15,
    }
    still.advance(3600)
    assert Counter(outcome(lambda: tokens.check(next(unknown))) for _ in range(25))["LoginRequired"] == 20
    with pytest.raises(HubUnavailable) as caught:
        tokens.check("one_more")
    assert caught.value.retry_after == 1


def test_the_second_of_the_unknown_tokens_is_the_applications_which_may_go_back(
    make: Make, dev_hub: HubInMemory, still: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R19, S79: nobody is locked out for the hour that the clock went back."""
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    tokens = make(HUB_BEARER="any")
    unknown = iter(f"unknown{n}" for n in range(1000))
    for seconds in (0, 3600, -3599):
        still.advance(seconds)
        Counter(outcome(lambda: tokens.check(next(unknown))) for _ in range(25))
    still.advance(1)
    assert Counter(outcome(lambda: tokens.check(next(unknown))) for _ in range(25))["LoginRequired"] == 20


def test_known_and_signed_tokens_do_not_count(make: Make, dev_hub: HubInMemory, still: Time) -> None:
    """S79: also one whose time in memory is over, and one that is seen for the first time if it is signed."""
    tokens = make(HUB_BEARER="any")
    signed_ones = [dev_hub.token_for("jane") for _ in range(5)]
    known = opaque(dev_hub)
    tokens.check(known)
    still.advance(31)
    for n in range(30):
        outcome(lambda n=n: tokens.check(f"junk{n}"))
    assert outcome(lambda: tokens.check("other")) == "HubUnavailable"
    assert outcome(lambda: tokens.check(known)) == "good"
    assert {outcome(lambda token=token: tokens.check(token)) for token in signed_ones} == {"good"}
    still.advance(29)
    for n in range(30):
        outcome(lambda n=n: tokens.check(f"more{n}"))
    dev_hub.revoke("jane")
    still.advance(1)
    assert_bad(tokens, known)


def test_equal_tokens_at_the_same_time_share_one_look_up(make: Make, dev_hub: HubInMemory) -> None:
    tokens, token = make(HUB_BEARER="any"), opaque(dev_hub)
    dev_hub.fail(ME_PATH, delay=0.3)
    found = at_once([lambda: tokens.check(token)] * 40)
    assert {each.user_id for each in found} == {dev_hub.user("jane").id}
    assert calls(dev_hub) == 1
    at_once([lambda: assert_bad(tokens, "unknown")] * 40)
    assert calls(dev_hub) == 2


def test_no_more_tokens_are_remembered_than_fit(make: Make, dev_hub: HubInMemory) -> None:
    """S79."""
    tokens = make()
    many = [dev_hub.token_for("jane", life=4000 + n) for n in range(REMEMBERED + 500)]
    for token in many:
        tokens.check(token)
    assert len(tokens._known) == REMEMBERED
    assert {outcome(lambda token=token: tokens.check(token)) for token in many[:50]} == {"good"}


def test_a_token_that_is_presented_all_the_while_is_never_forgotten(
    make: Make, dev_hub: HubInMemory, verified: Counter[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S79."""
    monkeypatch.setattr("flask_hub_auth.tokens.bearer.REMEMBERED", 10)
    tokens, steady = make(), dev_hub.token_for("jane")
    for number in range(30):
        tokens.check(dev_hub.token_for("john", life=4000 + number))
        tokens.check(steady)
    assert set(verified.values()) == {1}


# What Hub says is remembered, for a while


@pytest.mark.parametrize("seconds", [30, 60, 5])
def test_a_revoked_token_is_refused_within_its_time(
    seconds: int, make: Make, dev_hub: HubInMemory, still: Time
) -> None:
    """S78."""
    tokens, token = make(HUB_BEARER="any", HUB_BEARER_TTL=seconds), opaque(dev_hub)
    tokens.check(token)
    dev_hub.revoke("jane")
    still.advance(seconds - 0.01)
    tokens.check(token)
    assert calls(dev_hub) == 1
    still.advance(0.01)
    assert_bad(tokens, token)
    assert calls(dev_hub) == 2


def test_a_refusal_is_remembered_for_ten_seconds(make: Make, dev_hub: HubInMemory, still: Time) -> None:
    """S78."""
    tokens, token = make(HUB_BEARER="any"), opaque(dev_hub)
    dev_hub.update_user("jane", banned=True)
    for _ in range(5):
        assert_bad(tokens, token)
    assert calls(dev_hub) == 1
    dev_hub.update_user("jane", banned=False)
    still.advance(9.9)
    assert_bad(tokens, token)
    still.advance(0.1)
    assert tokens.check(token).user_id == dev_hub.user("jane").id
    assert calls(dev_hub) == 2


def test_what_is_remembered_belongs_to_the_whole_token(make: Make, dev_hub: HubInMemory, still: Time) -> None:
    """S78, C15: one letter anywhere makes another token."""
    tokens = make(HUB_BEARER="any")
    token = "perm:" + opaque(dev_hub)
    dev_hub.store._access[token] = dev_hub.store._access[token.removeprefix("perm:")]
    long = "x" * 8000
    assert tokens.check(token).user_id
    for place in range(len(token)):
        other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        still.advance(0.1)
        tokens._remember(tokens._sealer.mac("bearer-cache", token.encode()), tokens.check(token))
        assert_bad(tokens, other)
    for other in (token[:-1], token + "A", f"{token}{long}", token.swapcase()):
        assert_bad(tokens, other)


def test_people_are_never_taken_for_each_other(make: Make, dev_hub: HubInMemory) -> None:
    """S78: with the tokens of a hundred people presented in a thousand turns by twenty threads."""
    tokens = make()
    people = {dev_hub.token_for(login): dev_hub.user(login).id for login in _people(dev_hub, 100)}

    def present() -> int:
        return sum(tokens.check(token).user_id != user_id for token, user_id in people.items() for _ in range(10))

    assert sum(at_once([present] * 20)) == 0


def _people(hub: HubInMemory, count: int) -> Iterator[str]:
    for number in range(count):
        yield hub.add_user(f"person{number}").login


# Hub is away

AWAY: dict[str, dict[str, Any]] = {
    "refuses": {"transport": "refuse"},
    "resets": {"transport": "reset"},
    "hangs": {"transport": "hang"},
    "500": {"status": 500, "body": '{"error": "server_error"}'},
    "503 in HTML": {"status": 503, "body": "<html>invalid_grant</html>"},
    "429": {"status": 429},
}
NONSENSE: dict[str, dict[str, Any]] = {
    "HTML": {"body": "<html>"},
    "a list": {"body": "[]"},
    "nothing": {"status": 200},
    "404": {"status": 404, "body": "<html>"},
    "a redirect": {"status": 302, "headers": {"Location": "https://evil.example/"}},
}


@pytest.mark.parametrize("mode", ["signed", "any"])
@pytest.mark.parametrize("fault", [*AWAY, *NONSENSE])
def test_while_hub_cannot_be_asked_a_token_is_not_called_bad(
    fault: str, mode: str, make: Make, dev_hub: HubInMemory, still: Time
) -> None:
    """S82: nor good, and nothing of it is remembered."""
    tokens = make(HUB_BEARER=mode)
    token = dev_hub.token_for("jane") if mode == "signed" else opaque(dev_hub)
    dev_hub.fail(**(AWAY | NONSENSE)[fault])
    with pytest.raises(HubUnavailable if fault in AWAY else HubProtocolError) as caught:
        tokens.check(token)
    assert caught.value.code == (503 if fault in AWAY else 502)
    dev_hub.mend()
    still.advance(1)
    assert tokens.check(token).user_id == dev_hub.user("jane").id


def test_while_hub_is_away_known_tokens_go_on_until_their_time_is_over(
    make: Make, dev_hub: HubInMemory, still: Time
) -> None:
    """S82."""
    tokens = make(HUB_BEARER="any")
    first, second = dev_hub.token_for("jane"), opaque(dev_hub)
    tokens.check(first)
    tokens.check(second)
    dev_hub.fail(status=503)
    still.advance(29)
    tokens.check(second)
    still.advance(1)
    assert outcome(lambda: tokens.check(second)) == "HubUnavailable"
    assert outcome(lambda: tokens.check(first)) == "good"


# Who it is


def test_a_person_is_asked_about_once_in_a_while(make: Make, dev_hub: HubInMemory, still: Time) -> None:
    tokens = make()
    presented = tokens.check(dev_hub.token_for("jane"))
    for turn in range(1, 4):
        for _ in range(10):
            assert tokens.user(presented).login == "jane"
            assert tokens.permissions(presented).allows("demo.report-read")
        assert (calls(dev_hub, ME_PATH), calls(dev_hub, CACHE_PATH)) == (turn, turn)
        still.advance(30)


def test_a_person_is_asked_about_once_by_all_who_want_to_know(make: Make, dev_hub: HubInMemory) -> None:
    """Also where the same token is seen for the first time by all of them."""
    tokens, token = make(), dev_hub.token_for("jane")
    dev_hub.fail(delay=0.2)

    def look() -> str:
        presented = tokens.check(token)
        tokens.permissions(presented)
        return tokens.user(presented).login

    assert set(at_once([look] * 20)) == {"jane"}
    assert [calls(dev_hub, path) for path in (KEY_PATH, ME_PATH, CACHE_PATH)] == [1, 1, 1]


CHANGES: dict[str, Callable[[HubInMemory], None]] = {
    "revoked": lambda hub: hub.revoke("jane"),
    "expired": lambda hub: hub.expire(),
    "banned": lambda hub: hub.update_user("jane", banned=True),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", ["signed", "any"])
def test_a_person_whom_hub_refuses_is_refused_within_the_time_and_not_asked_about_at_every_turn(
    change: str, mode: str, make: Make, dev_hub: HubInMemory, still: Time
) -> None:
    """S78, S79."""
    tokens = make(HUB_BEARER=mode)
    presented = tokens.check(dev_hub.token_for("jane"))
    assert tokens.user(presented).login == "jane"
    CHANGES[change](dev_hub)
    still.advance(29.9)
    assert tokens.user(presented).login == "jane"
    still.advance(0.1)
    before = calls(dev_hub)
    for _ in range(50):
        with pytest.raises(LoginRequired) as caught:
            tokens.user(presented)
        assert caught.value.error == "invalid_token"
    assert calls(dev_hub) - before == 1
    still.advance(10)
    with pytest.raises(LoginRequired):
        tokens.user(presented)
    assert calls(dev_hub) - before == 2


def test_a_person_who_cannot_be_asked_about_is_neither_known_nor_refused(
    make: Make, dev_hub: HubInMemory, still: Time
) -> None:
    """S82, S70."""
    tokens = make()
    presented = tokens.check(dev_hub.token_for("jane"))
    dev_hub.fail(status=503)
    for ask in (tokens.user, tokens.permissions):
        with pytest.raises(HubUnavailable):
            ask(presented)
    dev_hub.mend()
    assert tokens.user(presented).login == "jane"


def test_without_hub_in_its_scope_a_token_tells_an_id_and_nothing_more(make: Make, dev_hub: HubInMemory) -> None:
    tokens = make()
    presented = tokens.check(dev_hub.token_for("jane", f"{dev_hub.service_id} {YOUTRACK}"))
    user = tokens.user(presented)
    assert (user.id, user.login, user.name, user.groups) == (dev_hub.user("jane").id, "", "", frozenset())
    assert tokens.permissions(presented).granted == {}
    assert calls(dev_hub) == 1


def test_a_token_is_shown_nowhere(make: Make, dev_hub: HubInMemory, caplog: pytest.LogCaptureFixture) -> None:
    """L2."""
    caplog.set_level("DEBUG")
    tokens = make(HUB_BEARER="any")
    for token in (dev_hub.token_for("jane"), opaque(dev_hub), "unknown" * 5):
        outcome(lambda token=token: tokens.check(token))
        assert token not in f"{tokens._known!r}{caplog.text}"


def test_accepting_tokens_of_unknown_audience_is_said_once(
    make: Make, dev_hub: HubInMemory, caplog: pytest.LogCaptureFixture
) -> None:
    """S77."""
    tokens, token = make(HUB_BEARER="any"), opaque(dev_hub)
    for each in (token, token, opaque(dev_hub)):
        tokens.check(each)
    assert [record.levelname for record in caplog.records if "HUB_BEARER" in record.message] == ["WARNING"]
    assert_bad(make(), token)


@pytest.mark.parametrize("mode", ["signed", "any"])
def test_a_clock_that_goes_back_keeps_nothing_that_hub_said_good(
    mode: str, make: Make, dev_hub: HubInMemory, clock: Time
) -> None:
    """R19, S78: who was banned is out within the time, however far ahead the clock was when they were read."""
    tokens = make(HUB_BEARER=mode)
    token = opaque(dev_hub) if mode == "any" else dev_hub.token_for("jane")
    clock.advance(1800)
    assert tokens.user(tokens.check(token)).login == "jane"
    clock.advance(-1800)
    dev_hub.update_user("jane", banned=True)
    with pytest.raises(LoginRequired):
        tokens.user(tokens.check(token))
