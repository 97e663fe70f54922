"""The list of a person's logins: what it holds, what it hides, and that it finds every login there is."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask

from flask_hub_auth import HubAuth, hub_logged_out, hub_login_required
from flask_hub_auth.sealing import Sealer, store_key
from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock
from flask_hub_auth.tokens import open_store
from flask_hub_auth.tokens.people import MOST, Entry, PeopleIndex
from flask_hub_auth.tokens.store import Store
from flask_hub_auth.web.state import EXTENSION

from .conftest import Place, at_once

KEY, OLDER = b"k" * 32, b"o" * 32
CONTEXT = ("https://hub.test/hub", "service")
JANE = "c6b6e9c6-0000-4000-8000-000000000001"


def index(store: Store, *keys: bytes, now: float = 1000.0, began: float | None = None) -> PeopleIndex:
    """The lists as a process sees them that began at `began`, else now."""
    times = itertools.chain([began or now], itertools.repeat(now))
    return PeopleIndex(store, Sealer(keys or (KEY,), CONTEXT), clock=lambda: next(times), lifetime=3600)  # type: ignore[arg-type]


def entry(number: int, since: int = 900) -> Entry:
    return Entry(store_key(number.to_bytes(32, "big")), since, since)


@pytest.fixture(params=["memory", "files", "Redis"])
def store(request: pytest.FixtureRequest, open_place: Callable[[str], Place]) -> Store:
    return open_place(request.param).store


def test_a_list_is_newest_first_and_of_one_person(store: Store) -> None:
    people = index(store)
    people.note("jane", entry(1, since=100))
    people.note("jane", entry(2, since=300))
    people.note("john", entry(3))
    people.note("jane", entry(1, since=100))
    assert people.of("jane") == [entry(2, since=300), entry(1, since=100)]
    people.drop("jane", entry(2).key)
    assert people.of("jane") == [entry(1, since=100)]


def test_the_last_login_takes_the_list_with_it(store: Store) -> None:
    people = index(store)
    people.note("jane", entry(1))
    people.drop("jane", entry(1).key)
    assert people.of("jane") == []
    assert store.get("people:" + Sealer([KEY], CONTEXT).mac("index", b"jane")) is None


def test_a_list_names_nobody(store: Store) -> None:
    """S44: neither where it is kept nor what is kept tells whose it is."""
    index(store).note("jane", entry(1))
    place = "people:" + Sealer([KEY], CONTEXT).mac("index", b"jane")
    sealed = store.get(place)
    assert b"jane" not in sealed
    assert bytes.fromhex(entry(1).key.removeprefix("hub_")) not in sealed
    assert index(store, OLDER).of("jane") == []


def test_a_list_outlives_a_new_secret_key(store: Store) -> None:
    """C10: what was listed under the older key is found, and moves under the new one at the next change."""
    index(store, OLDER).note("jane", entry(1, since=100))
    assert index(store, KEY, OLDER).of("jane") == [entry(1, since=100)]
    index(store, KEY, OLDER, began=400).note("jane", entry(2, since=300))
    assert index(store, KEY).of("jane") == [entry(2, since=300), entry(1, since=100)]
    assert index(store, OLDER).of("jane") == []


@pytest.mark.parametrize("first", ["older", "newer"])
def test_while_workers_are_restarted_with_a_new_key_each_finds_the_logins_of_the_others(
    store: Store, first: str
) -> None:
    """C10, S53"""
    older, newer = index(store, OLDER), index(store, KEY, OLDER, began=401)
    workers = (older, newer) if first == "older" else (newer, older)
    for number, worker in enumerate(workers * 2):
        worker.note("jane", entry(number))
    assert {each.key for each in newer.of("jane")} == {entry(number).key for number in range(4)}
    newer.drop("jane", entry(3).key)
    assert {each.key for each in older.of("jane")} == {entry(number).key for number in range(3)}
    for number in range(3):
        newer.drop("jane", entry(number).key)
    assert older.of("jane") == newer.of("jane") == []


def test_workers_with_different_keys_change_a_list_one_after_the_other(store: Store) -> None:
    """C10"""
    people = [index(store, OLDER), index(store, KEY, OLDER)]
    at_once(partial(people[number % 2].note, "jane", entry(number)) for number in range(20))
    assert {each.key for each in people[1].of("jane")} == {entry(number).key for number in range(20)}


def test_a_list_of_another_shape_keeps_nobody_from_signing_in(store: Store) -> None:
    sealer = Sealer([KEY], CONTEXT)
    place = sealer.mac("index", b"jane")
    key = "people:" + place
    for data in (b'[["hub_0", 1, 2]]', b"", bytes(47), bytes(49)):
        store.put(key, sealer.seal(data, purpose="index", place=place), 60)
        assert index(store).of("jane") == []
    index(store).note("jane", entry(1))
    assert index(store).of("jane") == [entry(1)]


def test_logins_that_are_over_by_age_are_not_listed(store: Store) -> None:
    people = index(store, now=4000.0)
    people.note("jane", entry(1, since=300))
    people.note("jane", entry(2, since=401))
    assert people.of("jane") == [entry(2, since=401)]


def test_no_entry_is_lost_where_many_come_at_once(store: Store) -> None:
    barrier = threading.Barrier(20)
    people = index(store)

    def note(number: int) -> None:
        barrier.wait(10)
        people.note("jane", entry(number))

    threads = [threading.Thread(target=note, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {each.key for each in people.of("jane")} == {entry(number).key for number in range(20)}


def test_a_list_does_not_grow_without_end() -> None:
    sealer = Sealer([KEY], CONTEXT)
    people = PeopleIndex(open_store("memory://", ""), sealer, clock=lambda: MOST, lifetime=2 * MOST)
    people._write(sealer, "jane", [entry(number, number) for number in range(MOST)])
    people.note("jane", entry(MOST, since=MOST))
    assert len(people.of("jane")) == MOST
    assert people.of("jane")[0] == entry(MOST, since=MOST)


@pytest.fixture
def app(make_site: Callable[..., Flask]) -> Flask:
    app = make_site()

    @app.get("/mine")
    @hub_login_required
    def mine() -> str:
        return "mine"

    return app


def sessions(app: Flask) -> list[tuple[bool, int]]:
    with app.app_context():
        return [(each.current, each.last_seen - each.since) for each in HubAuth().sessions(JANE)]


def test_every_login_is_listed_until_it_ends(
    app: Flask, hub_login: Callable[..., None], dev_hub: HubInMemory, hub_clock: Clock
) -> None:
    here, there = app.test_client(), app.test_client()
    hub_login(here, "jane")
    hub_login(there, "jane")
    hub_login(app.test_client(), "john")
    assert sessions(app) == [(False, 0), (False, 0)]
    hub_clock.advance(601)
    assert here.get("/mine").status_code == 200
    assert sorted(sessions(app)) == [(False, 0), (False, 601)]
    assert here.post("/logout", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 302
    assert sessions(app) == [(False, 0)]
    dev_hub.update_user("jane", banned=True)
    there.get("/mine")
    assert sessions(app) == []


def test_the_login_that_asks_is_marked_and_may_be_spared(app: Flask, hub_login: Callable[..., None]) -> None:
    """S53"""
    hub = HubAuth()
    app.add_url_rule("/list", "list", view_func=lambda: [each.current for each in hub.sessions(JANE)])
    app.add_url_rule("/others", "others", view_func=lambda: str(hub.end_sessions(JANE, except_current=True)))
    clients = [app.test_client() for _ in range(3)]
    for client in clients:
        hub_login(client, "jane")
    john = app.test_client()
    hub_login(john, "john")
    assert sorted(clients[0].get("/list").json) == [False, False, True]
    assert clients[0].get("/others").text == "2"
    assert [client.get("/mine").status_code for client in (*clients, john)] == [200, 401, 401, 200]


def test_sign_out_everywhere_ends_every_login_and_tells_of_each(app: Flask, hub_login: Callable[..., None]) -> None:
    """S53"""
    told: list[object] = []
    clients = [app.test_client() for _ in range(3)]
    for client in clients:
        hub_login(client, "jane")
    tell = hub_logged_out.connected_to(lambda app, user_id, reason: told.append((user_id, reason)), app)
    with tell, app.app_context():
        assert HubAuth().end_sessions(JANE) == 3
        assert HubAuth().end_sessions(JANE) == 0
    assert told == [(JANE, "ended")] * 3
    assert [client.get("/mine").status_code for client in clients] == [401] * 3
    assert app.extensions[EXTENSION].keeper.logins.people.of(JANE) == []


def test_a_receiver_that_raises_keeps_no_login_alive(app: Flask, hub_login: Callable[..., None]) -> None:
    """S53"""
    told: list[object] = []
    clients = [app.test_client() for _ in range(3)]
    for client in clients:
        hub_login(client, "jane")

    def fail(app: Flask, **about: object) -> None:
        told.append([client.get("/mine").status_code for client in clients])
        raise ZeroDivisionError("a receiver")

    with hub_logged_out.connected_to(fail, app), app.app_context(), pytest.raises(ZeroDivisionError):
        HubAuth().end_sessions(JANE)
    assert told == [[401] * 3] * 3


class Between:
    """A store that lets others go, once, before a login is put into it and after it is deleted from it."""

    def __init__(self, store: Store, *, put: Callable[[], object], delete: Callable[[], object]) -> None:
        self._store = store
        self._put, self._delete = [put], [delete]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, seconds: int) -> None:
        if key.startswith("hub_") and self._put:
            self._put.pop()()
        self._store.put(key, data, seconds)

    def delete(self, key: str) -> None:
        self._store.delete(key)
        if key.startswith("hub_") and self._delete:
            self._delete.pop()()


@pytest.mark.parametrize("when", ["before the login is kept", "before and after"])
def test_who_signs_in_while_all_their_logins_are_ended_is_out_or_listed(
    app: Flask, hub_login: Callable[..., None], when: str
) -> None:
    """S53"""

    def end() -> int:
        with app.app_context():
            return HubAuth().end_sessions(JANE)

    deleted, kept = threading.Event(), threading.Event()
    ending = threading.Thread(target=end)

    def let_it_end() -> None:
        ending.start()
        if when == "before and after":
            assert deleted.wait(10)
        else:
            kept.set()
            ending.join(10)

    def let_it_be_kept() -> None:
        deleted.set()
        assert kept.wait(10)

    client, logins = app.test_client(), app.extensions[EXTENSION].keeper.logins
    logins.store = Between(logins.store, put=let_it_end, delete=let_it_be_kept)
    hub_login(client, "jane")
    kept.set()
    ending.join(10)
    signed_in = when == "before the login is kept"
    assert client.get("/mine").status_code == (200 if signed_in else 401)
    assert (len(sessions(app)), end()) == (signed_in, signed_in)
    assert client.get("/mine").status_code == 401
