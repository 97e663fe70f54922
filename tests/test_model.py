"""Values that travel: a secret shows itself nowhere, a login comes back from JSON as it went in or not at all."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, jsonify, render_template_string

from flask_hub_auth.model import ANONYMOUS, HubPermissions, HubToken, HubUser, Login, Reading, Readings, Secret

CANARY = "CANARY-5b1e"
SECRET = Secret(CANARY)
TOKEN = HubToken(Secret(CANARY), Secret(CANARY + "-refresh"), id_token=Secret(CANARY + "-id"), expires_at=1_800_000_000)
USER = HubUser(
    id="c6b6e9c6",
    login="jane",
    name="Jane Ünü 🙂",
    email="jane@example.com",
    email_verified=True,
    groups=frozenset({"Developers", "All Users"}),
    avatar_url="https://hub.test/avatar",
    extra={"profile": {"locale": {"language": "de"}}, "VCSUserNames": ["jane", None, 1, 1.5, True]},
)
LOGIN = Login(
    user=USER,
    token=TOKEN,
    since=1_800_000_000,
    last_seen=1_800_000_060,
    read_at=1_800_000_030,
    token_life=3600,
    generation=3,
    failures=1,
    permissions=Readings(
        {
            "Hub": Reading(
                HubPermissions({"read": frozenset({"p1", "p2"}), "admin": None, "none": frozenset()}), 1_800_000_040
            )
        }
    ),
    permissions_at=1_800_000_040,
)

WAYS_OF_SHOWING: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "format with a width": lambda value: f"{value:>40}" if isinstance(value, Secret) else f"{value}",
    "%s": lambda value: "%s" % (value,),  # noqa: UP031
    "%r": lambda value: "%r" % (value,),  # noqa: UP031
    "f-string": lambda value: f"{value} {value!r} {value!s} {value!a}",
    "in a list": lambda value: str([value]),
    "in a dict": lambda value: str({"token": value}),
    "pprint": pprint.pformat,
    "json with default=str": lambda value: json.dumps(value, default=str),
    "json with default=repr": lambda value: json.dumps([value], default=repr),
    "copy": lambda value: repr(copy.copy(value)),
    "deepcopy": lambda value: repr(copy.deepcopy(value)),
    "log record": lambda value: logging.makeLogRecord({"msg": "%s %r", "args": (value, value)}).getMessage(),
    "exception": lambda value: repr(ValueError(value)) + str(ValueError(value)),
}


@pytest.mark.parametrize("show", WAYS_OF_SHOWING.values(), ids=WAYS_OF_SHOWING)
@pytest.mark.parametrize("value", [SECRET, TOKEN, LOGIN], ids=["secret", "token", "login"])
def test_no_way_of_showing_a_value_shows_its_secrets(value: object, show: Callable[[Any], object]) -> None:
    """L2"""
    shown = str(show(value))
    assert "CANARY" not in shown
    assert "***" in shown


def test_flask_shows_stars_in_json_and_in_templates() -> None:
    """L2"""
    app = Flask(__name__)
    with app.test_request_context():
        for value in (SECRET, TOKEN, {"token": TOKEN}, [SECRET]):
            body = jsonify(value).get_data(as_text=True)
            assert "CANARY" not in body
            assert "***" in body
        page = render_template_string("{{ s }} {{ t }} {{ s|tojson }} {{ s|safe }} {{ s|string }}", s=SECRET, t=TOKEN)
        assert "CANARY" not in page


@pytest.mark.parametrize("value", [SECRET, TOKEN, LOGIN, {"token": SECRET}], ids=["secret", "token", "login", "dict"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(value: object, protocol: int) -> None:
    """L2"""
    with pytest.raises(TypeError, match="reveal"):
        pickle.dumps(value, protocol)


def test_a_secret_is_not_serialised_by_accident() -> None:
    """L2"""
    with pytest.raises(TypeError):
        json.dumps(SECRET)
    with pytest.raises(TypeError):
        json.dumps(dataclasses.asdict(TOKEN))
    with pytest.raises(TypeError):
        vars(SECRET)
    with pytest.raises(TypeError):
        "".join([SECRET])  # type: ignore[list-item]


def test_a_traceback_with_the_names_of_its_frames_shows_stars() -> None:
    """L2, L3"""

    def fail(secret: Secret, token: HubToken, login: Login) -> None:
        inner = [secret, {"token": token}]
        raise RuntimeError(f"failed with {secret} {inner} {login}")

    with pytest.raises(RuntimeError) as failure:
        fail(SECRET, TOKEN, LOGIN)
    shown = "".join(traceback.TracebackException.from_exception(failure.value, capture_locals=True).format())
    assert "secret = ***" in shown
    assert "CANARY" not in shown


def test_the_value_of_a_secret_comes_out_when_it_is_asked_for() -> None:
    assert SECRET.reveal() == CANARY
    assert copy.copy(SECRET).reveal() == copy.deepcopy(SECRET).reveal() == CANARY


def test_secrets_are_equal_by_value_and_only_to_secrets() -> None:
    assert Secret("ä") == Secret("ä")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert bool(Secret("a"))
    assert not Secret("")


def test_nobody_is_falsy_and_everybody_else_is_not() -> None:
    """S68"""
    assert not ANONYMOUS
    assert not HubUser(id="", login="jane")
    assert USER


def test_the_values_cannot_be_changed() -> None:
    for value, name in ((TOKEN, "scope"), (USER, "banned"), (LOGIN, "ended")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)
    assert hash(USER) == hash(dataclasses.replace(USER, extra={}))


@pytest.mark.parametrize(
    "login",
    [
        LOGIN,
        LOGIN.end("banned"),
        Login(user=HubUser(id="1", login="a"), token=HubToken(Secret("t")), since=0, last_seen=0, read_at=0),
        dataclasses.replace(LOGIN, user=dataclasses.replace(USER, name="\x00\u2028</script>\"'\\ \U0001f600")),
        dataclasses.replace(LOGIN, since=2**63 - 1, last_seen=-(2**62)),
    ],
    ids=["full", "ended", "bare", "odd text", "large numbers"],
)
def test_a_login_comes_back_from_json_as_it_was(login: Login) -> None:
    """C11"""
    assert Login.from_json(login.to_json()) == login
    assert json.loads(login.to_json().decode("ascii"))


def test_an_ended_login_holds_nothing_but_whose_it_was_and_its_times() -> None:
    over = LOGIN.end("revoked")
    assert over.ended == "revoked"
    assert over.user == HubUser(id=USER.id, login="")
    assert over.token == HubToken(Secret(""))
    text = over.to_json().decode()
    for kept in (CANARY, "jane", "Jane", "example.com", "Developers", "p1", "hub.test", "locale"):
        assert kept not in text
    assert USER.id in text


KINDS: dict[str, object] = {
    "null": None,
    "true": True,
    "number": 7,
    "fraction": 7.0,
    "text": "7",
    "list": [],
    "object": {},
    "list of numbers": [7],
    "list of lists": [[]],
    "object of lists": {"a": [7]},
    "object of text": {"a": "7"},
}
GOOD: dict[str, set[str]] = {
    "int": {"number"},
    "str": {"text"},
    "bool": {"true"},
    "str | None": {"text", "null"},
    "Secret": {"text"},
    "Secret | None": {"text", "null"},
    "frozenset[str]": {"list"},
    "dict[str, t.Any]": {"object", "object of lists", "object of text"},
    "dict[str, frozenset[str] | None]": {"object"},
    "HubUser": set(),
    "HubToken": set(),
    "dict[str, Reading]": {"object"},
    "HubPermissions": set(),
    "Readings | None": {"null"},
}
PLACES: list[tuple[tuple[str, ...], type]] = [
    ((), Login),
    (("user",), HubUser),
    (("token",), HubToken),
    (("permissions",), Readings),
    (("permissions", "by_place", "Hub"), Reading),
    (("permissions", "by_place", "Hub", "held"), HubPermissions),
]
FIELDS = [((*place, name), annotation) for place, cls in PLACES for name, annotation in cls.__annotations__.items()]


def changed(path: tuple[str, ...], change: Callable[[dict[str, Any], str], None]) -> bytes:
    """The JSON of the login with a change at one place."""
    fields = json.loads(LOGIN.to_json())
    inner = fields
    for name in path[:-1]:
        inner = inner[name]
    change(inner, path[-1])
    return json.dumps(fields).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("path", "annotation"), FIELDS, ids=[".".join(path) for path, _ in FIELDS])
def test_every_field_is_read_by_its_exact_type(path: tuple[str, ...], annotation: str, kind: str) -> None:
    """C11: a truth value is no number, a number no text, a list of something else no list of names."""
    data = changed(path, lambda fields, name: fields.update({name: KINDS[kind]}))
    if kind in GOOD[annotation]:
        Login.from_json(data)
        return
    with pytest.raises(ValueError):
        Login.from_json(data)


@pytest.mark.parametrize(("path", "annotation"), FIELDS, ids=[".".join(path) for path, _ in FIELDS])
def test_a_field_that_is_missing_or_unknown_is_refused(path: tuple[str, ...], annotation: str) -> None:
    """C11"""
    with pytest.raises(ValueError):
        Login.from_json(changed(path, lambda fields, name: fields.pop(name)))
    with pytest.raises(ValueError):
        Login.from_json(changed(path, lambda fields, name: fields.update({name + "x": fields[name]})))


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**400])
def test_a_number_that_no_clock_shows_is_refused(number: int) -> None:
    """C11"""
    with pytest.raises(ValueError):
        Login.from_json(changed(("since",), lambda fields, name: fields.update({name: number})))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b"\x00" * 100,
        LOGIN.to_json()[:-1],
        LOGIN.to_json() + b"x",
        LOGIN.to_json() * 2,
        b"[" * 100_000,
        b'{"user":' * 100_000,
        b"9" * 5000,
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94.",
    ],
    ids=lambda data: f"{data[:12]!r} of {len(data)}",
)
def test_what_is_no_login_is_a_value_error_and_nothing_else(data: bytes) -> None:
    """C11"""
    with pytest.raises(ValueError):
        Login.from_json(data)


def test_extra_fields_nested_without_end_are_a_value_error() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="deep") as failure:
        dataclasses.replace(LOGIN, user=dataclasses.replace(USER, extra={"profile": deep})).to_json()
    assert failure.value.__suppress_context__


def test_permissions_are_held_in_a_project_or_everywhere() -> None:
    """S70"""
    held = HubPermissions({"read": frozenset({"p1"}), "admin": None, "none": frozenset()})
    assert held.allows("read")
    assert held.allows("read", "p1")
    assert not held.allows("read", "p2")
    assert held.allows("admin", "any")
    assert not held.allows("none")
    assert not held.allows("none", "p1")
    assert not held.allows("unknown")
    assert not HubPermissions().allows("read")


def test_permissions_of_two_services_are_held_together() -> None:
    one = HubPermissions({"read": frozenset({"p1"}), "write": None, "a": frozenset()})
    two = HubPermissions({"read": frozenset({"p2"}), "write": frozenset({"p3"}), "b": None})
    together = HubPermissions(
        {"read": frozenset({"p1", "p2"}), "write": None, "a": frozenset(), "b": None},
    )
    assert one | two == two | one == together
    assert one.granted == {"read": frozenset({"p1"}), "write": None, "a": frozenset()}
