from __future__ import annotations

import pytest

from flask_hub_auth.devhub.query import matches, read_query

NAMES = ("id", "login", "name")
JANE = {"id": "1", "login": "jane", "name": "Jane Doe"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("  ", True),
        ("login: jane", True),
        ("login:jane", True),
        ("login : jane ", True),
        ("login: JANE", True),
        ("login: jan", False),
        ('name: "Jane Doe"', True),
        ("name: {jane doe}", True),
        ("name: Jane", False),
        ('name: ""', False),
        ("nameStartsWith: jan", True),
        ("nameStartsWith: ane", False),
        ("nameStartsWith: x or loginStartsWith: {ja}", True),
        ("nameStartsWith: x or loginStartsWith: {x y}", False),
        ("login: x and id: 1 or login: jane", True),
        ("login: jane and id: 2", False),
        ("id: 1 or login: x and id: 2", True),
    ],
)
def test_conditions_find_what_they_say(text: str, found: bool) -> None:
    assert matches(read_query(text, NAMES), JANE) is found


@pytest.mark.parametrize(
    "text",
    [
        "jane",
        "login:",
        "login jane",
        "password: x",
        "login: a login: b",
        "login: a or",
        "login: a and",
        "or login: a",
        "login: {a",
        'login: "a',
        "login: a)",
        "login: a; id: 1",
        "login: a orid: 1",
    ],
)
def test_what_is_not_understood_is_never_passed_over(text: str) -> None:
    with pytest.raises(ValueError):
        read_query(text, NAMES)
