"""Logins in a store: changed one at a time, gone when they are gone, and opened by their own handle alone."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from flask_hub_auth.errors import HubProtocolError, StoreUnavailable
from flask_hub_auth.model import HubToken, HubUser, Login, Secret
from flask_hub_auth.sealing import Sealer, new_handle, store_key
from flask_hub_auth.tokens import LoginStore
from flask_hub_auth.tokens.store import Store

from .conftest import PLACES, Place, Time, at_once, login, with_one_redis
from .processes import together

KEY, OLD_KEY = b"k" * 32, b"o" * 32
CONTEXT = ("https://hub.test/hub", "service")
LIFETIME = 86400


class CountingSealer(Sealer):
    """Counts how often it opens a login."""

    opened = 0

    def open(self, sealed: bytes, **bound: Any) -> bytes | None:
        self.opened += bound["purpose"] == "login"
        return super().open(sealed, **bound)


def logins_in(store: Store, clock: Callable[[], float], *keys: bytes, sealer: Sealer | None = None) -> LoginStore:
    return LoginStore(store, sealer or Sealer(keys or [KEY], CONTEXT), clock=clock, lifetime=LIFETIME)


@pytest.fixture
def logins(place: Place, clock: Time) -> LoginStore:
    return logins_in(place.store, clock)


@pytest.fixture
def elsewhere(place: Place, clock: Time) -> LoginStore:
    """The same logins as another process sees them."""
    return logins_in(place.open() if place.open else place.store, clock)


@pytest.fixture
def jane(clock: Time) -> Login:
    return login(clock())


def named(name: str) -> Callable[[Login], Login]:
    return lambda login: replace(login, user=replace(login.user, name=name))


def counted(login: Login) -> Login:
    return replace(login, generation=login.generation + 1)


def test_a_login_is_found_by_its_handle(logins: LoginStore, jane: Login, clock: Time) -> None:
    john = login(clock(), user=HubUser(id="u2", login="john"))
    handles = [logins.add(jane), logins.add(john), logins.add(jane)]
    assert [logins.load(handle) for handle in handles] == [jane, john, jane]
    assert len(set(handles)) == 3
    assert {len(handle) for handle in handles} == {32}


def test_an_unknown_handle_finds_nothing_and_makes_nothing(logins: LoginStore, place: Place) -> None:
    """S35"""
    before = place.entries()
    for handle in (new_handle(), b"", b"\0" * 32, b"x" * 1000):
        assert logins.load(handle) is None
        assert logins.change(handle, counted) is None
        assert logins.remove(handle) is None
    assert place.entries() == before


def test_what_one_process_changes_all_others_see_at_once(
    logins: LoginStore, elsewhere: LoginStore, jane: Login
) -> None:
    """R53"""
    handle = logins.add(jane)
    for number in range(5):
        one, other = (logins, elsewhere) if number % 2 else (elsewhere, logins)
        assert other.load(handle) is not None
        changed = one.change(handle, named(f"name {number}"))
        assert changed == other.load(handle) == one.load(handle)
    elsewhere.remove(handle)
    assert logins.load(handle) is None


@with_one_redis
def test_no_change_of_a_hundred_threads_is_lost(logins: LoginStore, jane: Login) -> None:
    """C16"""
    handle = logins.add(jane)

    def change() -> None:
        for _ in range(3):
            assert logins.change(handle, counted)

    at_once([change] * 100)
    found = logins.load(handle)
    assert found
    assert found.generation == 300


def test_changes_of_different_fields_do_not_undo_each_other(logins: LoginStore, jane: Login) -> None:
    """C16: a change is applied to the login as it is then, not as somebody has read it before."""
    handle = logins.add(jane)
    changes = [
        counted,
        named("new"),
        lambda login: replace(login, last_seen=7),
        lambda login: replace(login, read_at=8),
    ]
    at_once([partial(logins.change, handle, change) for change in changes * 5])
    found = logins.load(handle)
    assert found
    assert (found.generation, found.user.name, found.last_seen, found.read_at) == (5, "new", 7, 8)


@with_one_redis
def test_no_change_of_four_processes_is_lost(place: Place, logins: LoginStore, jane: Login) -> None:
    """R2, C16"""
    if place.address is None:
        pytest.skip("the memory of a process is its own")
    handle = logins.add(jane)
    together(
        """
        from dataclasses import replace
        from flask_hub_auth.sealing import Sealer
        from flask_hub_auth.tokens import LoginStore, open_store
        sealer = Sealer([b"k" * 32], ("https://hub.test/hub", "service"))
        logins = LoginStore(open_store(sys.argv[1], "/nowhere"), sealer, clock=time.time, lifetime=86400)
        handle = bytes.fromhex(sys.argv[2])
        go()
        for _ in range(25):
            assert logins.change(handle, lambda login: replace(login, generation=login.generation + 1))
        """,
        place.address,
        handle.hex(),
    )
    found = logins.load(handle)
    assert found
    assert found.generation == 100


def test_a_change_that_fails_changes_nothing(logins: LoginStore, jane: Login) -> None:
    handle = logins.add(jane)
    with pytest.raises(ZeroDivisionError):
        logins.change(handle, lambda login: 1 // 0)  # type: ignore[arg-type, return-value]
    assert logins.load(handle) == jane
    assert logins.change(handle, counted)


def test_a_logout_during_a_change_wins(logins: LoginStore, elsewhere: LoginStore, jane: Login) -> None:
    """S50"""
    handle = logins.add(jane)
    changing, go_on = threading.Event(), threading.Event()

    def slowly(login: Login) -> Login:
        changing.set()
        assert go_on.wait(5)
        return counted(login)

    change = threading.Thread(target=logins.change, args=(handle, slowly))
    change.start()
    assert changing.wait(5)
    remove = threading.Thread(target=elsewhere.remove, args=(handle,))
    remove.start()
    go_on.set()
    change.join(10)
    remove.join(10)
    assert logins.load(handle) is elsewhere.load(handle) is None


def test_a_change_begun_before_a_logout_brings_nothing_back(
    logins: LoginStore, elsewhere: LoginStore, jane: Login
) -> None:
    """S50"""
    handle = logins.add(jane)
    before = logins.load(handle)
    assert before
    assert elsewhere.remove(handle) == before
    assert logins.change(handle, lambda login: before) is None
    assert logins.load(handle) is None
    assert elsewhere.remove(handle) is None


@with_one_redis
def test_logouts_and_changes_in_any_order_leave_nobody_signed_in(
    logins: LoginStore, elsewhere: LoginStore, jane: Login
) -> None:
    """S50"""
    chance = random.Random(5)
    for _ in range(25):
        handle = logins.add(jane)
        work: list[Callable[[], object]] = [partial(elsewhere.remove, handle)]
        work += [partial(store.change, handle, counted) for store in (logins, elsewhere) for _ in range(3)]
        chance.shuffle(work)
        at_once(work)
        assert logins.load(handle) is elsewhere.load(handle) is None


def test_an_ended_login_stays_known_and_cannot_be_changed(
    logins: LoginStore, elsewhere: LoginStore, jane: Login
) -> None:
    """S50"""
    handle = logins.add(jane)
    assert logins.change(handle, lambda login: login.end("banned"))
    for store in (logins, elsewhere):
        assert store.change(handle, lambda login: jane) is None
        found = store.load(handle)
        assert found
        assert (found.ended, found.user.id, found.token.access_token.reveal()) == ("banned", "u1", "")
    assert logins.remove(handle) == found
    assert logins.load(handle) is None


def test_two_requests_that_end_a_login_end_it_once(logins: LoginStore, jane: Login) -> None:
    handle = logins.add(jane)
    ends = at_once([partial(logins.change, handle, lambda login: login.end("revoked"))] * 30)
    assert sum(end is not None for end in ends) == 1


def test_a_record_is_opened_once_and_again_only_when_it_has_changed(place: Place, clock: Time, jane: Login) -> None:
    """R37"""
    sealer = CountingSealer([KEY], CONTEXT)
    logins, elsewhere = logins_in(place.store, clock, sealer=sealer), logins_in(place.store, clock)
    handle = elsewhere.add(jane)
    for _ in range(10):
        assert logins.load(handle) == jane
    assert sealer.opened == 1
    elsewhere.change(handle, counted)
    for _ in range(10):
        assert logins.load(handle) == counted(jane)
    assert sealer.opened == 2


# What is remembered is in this process, whatever the store is; to sign 1,500 people in takes Redis three seconds.
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_so_many_opened_records_are_remembered_and_no_more(place: Place, clock: Time, jane: Login) -> None:
    """R62"""
    sealer = CountingSealer([KEY], CONTEXT)
    logins = logins_in(place.store, clock, sealer=sealer)
    handles = [logins.add(jane) for _ in range(1500)]
    assert logins.load(handles[-1]) == jane
    assert sealer.opened == 0
    assert logins.load(handles[0]) == jane
    assert sealer.opened == 1


@pytest.mark.parametrize("place", ["memory"], indirect=True)
def test_a_record_that_is_read_all_the_while_stays_opened(
    place: Place, clock: Time, jane: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R37"""
    monkeypatch.setattr("flask_hub_auth.tokens.logins._REMEMBERED", 10)
    sealer = CountingSealer([KEY], CONTEXT)
    logins = logins_in(place.store, clock, sealer=sealer)
    steady = logins.add(jane)
    for _ in range(30):
        logins.add(jane)
        assert logins.load(steady) == jane
    assert sealer.opened == 0


@pytest.mark.parametrize(("groups", "opened"), [(100, 0), (1000, 3)])
@pytest.mark.parametrize("place", ["memory"], indirect=True)
def test_a_record_of_very_many_groups_is_not_kept_opened(
    place: Place, clock: Time, jane: Login, groups: int, opened: int
) -> None:
    """R62"""
    sealer = CountingSealer([KEY], CONTEXT)
    logins = logins_in(place.store, clock, sealer=sealer)
    many = replace(jane, user=replace(jane.user, groups=frozenset(new_handle().hex() for _ in range(groups))))
    handle = logins.add(many)
    for _ in range(3):
        assert logins.load(handle) == many
    assert sealer.opened == opened


def test_a_login_is_outlived_only_by_its_age(logins: LoginStore, place: Place, jane: Login, clock: Time) -> None:
    """S48: of one that the store has lost before, somebody else may be telling just now that it has ended."""
    handle, user_id = logins.add(jane), jane.user.id
    place.store.delete(store_key(handle))
    clock.advance(LIFETIME - 10)
    assert not logins.forget_outlived(handle, user_id)
    assert logins.was_of(handle, user_id)
    clock.advance(10)
    assert logins.forget_outlived(handle, user_id)
    assert not logins.was_of(handle, user_id)
    assert not logins.forget_outlived(handle, user_id)


def test_what_was_opened_before_is_never_shown_for_other_bytes(
    logins: LoginStore, place: Place, jane: Login, clock: Time
) -> None:
    """S45"""
    handle, other = logins.add(jane), logins.add(login(clock(), user=HubUser(id="u2", login="john")))
    key = store_key(handle)
    first = place.store.get(key)
    assert first
    changed = logins.change(handle, counted)
    second = place.store.get(key)
    assert second
    stolen = place.store.get(store_key(other))
    assert stolen
    for sealed, expected in [
        (first, jane),
        (second, changed),
        (stolen, None),
        (second, changed),
        (bytes([*second[:-1], second[-1] ^ 1]), None),
        (second[:-1], None),
        (b"", None),
        (second, changed),
    ]:
        place.store.put(key, sealed, 100)
        assert logins.load(handle) == expected
    place.store.delete(key)
    assert logins.load(handle) is None


@pytest.mark.parametrize("context", [("https://hub.test/hub", "other"), ("https://other.test/hub", "service")])
def test_a_login_of_another_hub_or_service_opens_nothing_here(
    place: Place, logins: LoginStore, clock: Time, jane: Login, context: tuple[str, str]
) -> None:
    """S57"""
    other = LoginStore(place.store, Sealer([KEY], context), clock=clock, lifetime=LIFETIME)
    handle = other.add(jane)
    assert logins.load(handle) is None
    assert logins.change(handle, counted) is None
    assert other.load(handle) == jane


def test_two_records_swapped_open_nothing(logins: LoginStore, place: Place, jane: Login) -> None:
    """S45"""
    handles = [logins.add(jane), logins.add(counted(jane))]
    sealed = [place.store.get(store_key(handle)) for handle in handles]
    for handle, data in zip(handles, reversed(sealed), strict=True):
        place.store.put(store_key(handle), data or b"", 100)
    assert [logins.load(handle) for handle in handles] == [None, None]


def test_a_record_under_an_unknown_key_is_nobody_and_is_left_alone(
    place: Place, clock: Time, jane: Login, caplog: pytest.LogCaptureFixture
) -> None:
    """R39: another process may have the key."""
    newer, older = logins_in(place.store, clock, KEY), logins_in(place.store, clock, OLD_KEY)
    handle = newer.add(jane)
    with caplog.at_level(logging.DEBUG):
        assert older.load(handle) is None
        assert older.change(handle, counted) is None
    assert newer.load(handle) == jane
    assert store_key(handle)[4:12] in caplog.text
    assert store_key(handle)[:20] not in caplog.text
    assert handle.hex() not in caplog.text


@pytest.mark.parametrize("why", ["removed key", "newer version", "other service"])
def test_a_login_that_cannot_be_opened_here_is_over_all_the_same_when_its_person_leaves(
    place: Place, clock: Time, jane: Login, why: str
) -> None:
    """S49"""
    context = (CONTEXT[0], "other") if why == "other service" else CONTEXT
    there = logins_in(place.store, clock, sealer=Sealer([OLD_KEY if why == "removed key" else KEY], context))
    handle = there.add(jane)
    key = store_key(handle)
    if why == "newer version":
        place.store.put(key, Sealer([KEY], CONTEXT).seal(b'{"v":9}', purpose="login", place=key, handle=handle), 100)
    assert logins_in(place.store, clock).remove(handle) is None
    assert place.store.get(key) is None
    assert there.load(handle) is None


def test_a_login_under_the_former_key_is_good_and_sealed_anew_when_it_changes(
    place: Place, clock: Time, jane: Login
) -> None:
    """C10, R59"""
    before = logins_in(place.store, clock, OLD_KEY)
    meanwhile, after = logins_in(place.store, clock, KEY, OLD_KEY), logins_in(place.store, clock, KEY)
    handle = before.add(jane)
    assert meanwhile.load(handle) == jane
    assert after.load(handle) is None
    meanwhile.change(handle, counted)
    assert before.load(handle) == counted(jane), "a worker that is restarted last cannot read it any more"
    clock.advance(601)
    meanwhile.change(handle, counted)
    assert after.load(handle) == counted(counted(jane))
    assert before.load(handle) is None


def test_nobody_is_signed_in_by_any_of_a_thousand_broken_records(place: Place, logins: LoginStore, jane: Login) -> None:
    """R38, S45, S46"""
    chance = random.Random(7)
    handle = logins.add(jane)
    key = store_key(handle)
    sealed = place.store.get(key)
    assert sealed
    for _ in range(1000):
        broken = _broken(chance, sealed)
        if broken == sealed:
            continue
        place.plant(key, broken)
        assert logins.load(handle) is None
    assert logins.change(handle, counted) is None
    place.plant(key, sealed)
    assert logins.load(handle) == jane


def _broken(chance: random.Random, sealed: bytes) -> bytes:
    place = chance.randrange(len(sealed))
    ways: list[Callable[[], bytes]] = [
        lambda: sealed[:place],
        lambda: sealed[place:],
        lambda: sealed[:place] + bytes([sealed[place] ^ 1 << chance.randrange(8)]) + sealed[place + 1 :],
        lambda: sealed[:place] + chance.randbytes(chance.randrange(64)) + sealed[place:],
        lambda: sealed + chance.randbytes(1 + chance.randrange(64)),
        lambda: chance.randbytes(chance.randrange(2000)),
        lambda: sealed[:8] + chance.randbytes(len(sealed) - 8),
        lambda: bytes(len(sealed)),
    ]
    return chance.choice(ways)()


@pytest.mark.parametrize(
    "value", [7, [b"x"], "text", {"user": "jane"}, b"n" * 10_000_000], ids=lambda v: type(v).__name__
)
def test_strange_values_under_the_name_of_a_login_are_nobody(
    place: Place, logins: LoginStore, jane: Login, value: object
) -> None:
    """S46"""
    handle = logins.add(jane)
    place.plant(store_key(handle), value)
    assert logins.load(handle) is None
    assert logins.change(handle, counted) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"\x80\x04N.", b"[" * 5000, b'{"user":{}}', HubUser.__doc__.encode()],  # type: ignore[union-attr]
    ids=lambda data: repr(data[:12]),
)
def test_a_record_that_is_sealed_well_and_is_no_login_is_nobody(
    place: Place, logins: LoginStore, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """R38, C12"""
    handle = new_handle()
    key = store_key(handle)
    sealed = Sealer([KEY], CONTEXT).seal(data, purpose="login", place=key, handle=handle)
    place.store.put(key, sealed, 100)
    assert logins.load(handle) is None
    assert "another shape" in caplog.text
    assert place.store.get(key) == sealed


def test_a_record_sealed_for_another_purpose_is_nobody(place: Place, logins: LoginStore, jane: Login) -> None:
    """S45"""
    handle = new_handle()
    key = store_key(handle)
    for bound in ({"purpose": "index", "place": key, "handle": handle}, {"purpose": "login", "place": key}):
        place.store.put(key, Sealer([KEY], CONTEXT).seal(jane.to_json(), **bound), 100)  # type: ignore[arg-type]
        assert logins.load(handle) is None


def test_a_copy_of_the_store_tells_nothing(place: Place, logins: LoginStore, clock: Time) -> None:
    """S43, S44"""
    token = HubToken(Secret("CANARY-AT"), Secret("CANARY-RT"), id_token=Secret("CANARY-ID"), scope="CANARY-SCOPE")
    user = HubUser(id="CANARY-USER", login="CANARY-LOGIN", email="CANARY@example.com", name="CANARY-NAME")
    handle = logins.add(login(clock(), user=user, token=token))
    assert logins.claim_state("CANARY-STATE", 100)
    for content in _everything(place):
        assert b"CANARY" not in content
        assert handle not in content
        assert handle.hex().encode() not in content


def _everything(place: Place) -> Iterator[bytes]:
    """Names and contents of all that is kept."""
    if place.contents:
        yield from place.contents()
        return
    if place.folder is None:
        for key, (_, value) in place.store._cache._cache.items():  # type: ignore[attr-defined]
            yield key.encode() + value
        return
    for path in place.folder.rglob("*"):
        yield path.name.encode() + (path.read_bytes() if path.is_file() else b"")


def test_a_login_ends_in_the_store_with_its_absolute_age(
    place: Place, logins: LoginStore, jane: Login, clock: Time
) -> None:
    """S48: whatever happened since."""
    handle = logins.add(jane)
    before = place.entries()
    clock.advance(LIFETIME - 60)
    assert logins.change(handle, lambda login: replace(login, last_seen=int(clock())))
    clock.advance(70)
    assert logins.load(handle) is None
    logins.add(replace(jane, since=int(clock())))
    assert place.entries() == before


@with_one_redis
def test_a_state_is_claimed_once(logins: LoginStore, elsewhere: LoginStore, clock: Time) -> None:
    """S27"""
    assert not logins.was_claimed("state")
    claims = at_once([partial(store.claim_state, "state", 100) for store in (logins, elsewhere) * 25])
    assert sum(claims) == 1
    assert logins.was_claimed("state")
    assert elsewhere.was_claimed("state")
    assert not logins.was_claimed("state2")
    assert logins.claim_state("stat", 100)
    clock.advance(110)
    assert not elsewhere.was_claimed("state")


@pytest.mark.parametrize(
    "state", ["", "ä\U0001f600", "../../etc/passwd", "\0\n", "x" * 100_000], ids=lambda s: repr(s[:9])
)
def test_a_state_may_be_any_text(logins: LoginStore, state: str) -> None:
    assert logins.claim_state(state, 100)
    assert not logins.claim_state(state, 100)


def test_a_login_that_is_too_large_is_refused_when_it_is_written(logins: LoginStore, jane: Login) -> None:
    """S62"""
    large = replace(jane, user=replace(jane.user, groups=frozenset(f"{number:0>1000}" for number in range(1100))))
    with pytest.raises(StoreUnavailable, match="limit"):
        logins.add(large)
    handle = logins.add(jane)
    with pytest.raises(StoreUnavailable, match="limit"):
        logins.change(handle, lambda login: large)
    assert logins.load(handle) == jane
    thousand = replace(jane, user=replace(jane.user, groups=frozenset(f"{number:0>500}" for number in range(1000))))
    assert logins.load(logins.add(thousand)) == thousand


@with_one_redis
def test_extra_fields_nested_without_end_are_hubs_fault(logins: LoginStore, jane: Login) -> None:
    """R24"""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(HubProtocolError):
        logins.add(replace(jane, user=replace(jane.user, extra={"profile": deep})))


class TestOwed:
    """A token that the store has refused, while Hub has already rotated."""

    @pytest.fixture(autouse=True)
    def nobody_pays(self, logins: LoginStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """The thread that brings the token to the store comes too late for these tests, and finds nothing to do."""
        monkeypatch.setattr("flask_hub_auth.tokens.logins._PAY_SECONDS", 10)
        yield
        logins._owed.clear()

    @pytest.fixture
    def renewed(self, jane: Login) -> Login:
        return replace(jane, token=HubToken(Secret("new"), Secret("new refresh")), token_life=60, generation=1)

    def test_it_is_shown_until_the_store_takes_it(
        self, logins: LoginStore, elsewhere: LoginStore, jane: Login, renewed: Login
    ) -> None:
        """R14"""
        handle, other = logins.add(jane), logins.add(jane)
        logins.owe(handle, renewed)
        assert logins.load(handle) == renewed
        assert logins.load(other) == elsewhere.load(handle) == jane
        assert logins.owes(handle)
        assert not logins.owes(other)
        logins.change(handle, named("changed"))
        assert not logins.owes(handle)
        assert elsewhere.load(handle) == logins.load(handle) == named("changed")(renewed)

    def test_a_newer_token_in_the_store_counts(
        self, logins: LoginStore, elsewhere: LoginStore, jane: Login, renewed: Login
    ) -> None:
        handle = logins.add(jane)
        logins.owe(handle, renewed)
        newest = replace(renewed, token=HubToken(Secret("newest")), generation=2)
        elsewhere.change(handle, lambda login: newest)
        assert logins.load(handle) == newest

    def test_it_wakes_nobody_who_has_left(
        self, logins: LoginStore, elsewhere: LoginStore, jane: Login, renewed: Login
    ) -> None:
        """S50"""
        handle, ended = logins.add(jane), logins.add(jane)
        for each in (handle, ended):
            logins.owe(each, renewed)
        elsewhere.change(ended, lambda login: login.end("banned"))
        elsewhere.remove(handle)
        assert logins.load(handle) is None
        found = logins.load(ended)
        assert found
        assert (found.ended, found.token) == ("banned", HubToken(Secret("")))
        logins.remove(handle)
        assert not logins.owes(handle)

    def test_only_so_many_are_remembered(self, logins: LoginStore, jane: Login, renewed: Login) -> None:
        """R62"""
        handles = [new_handle() for _ in range(2000)]
        for handle in handles:
            logins.owe(handle, renewed)
        assert logins.owes(handles[-1])
        assert sum(logins.owes(handle) for handle in handles) == 1024
