"""The codes, and what is seen without asking anybody."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from flask_hub_auth.doctor.client import difference
from flask_hub_auth.doctor.findings import CODES, each_once, found, unfinished
from flask_hub_auth.doctor.own import is_weak

from ..workers.harness import ROOT

LINE = re.compile(r"\| `([a-z-]+)` \| (warning|error) \| \S.*\. \|")


def test_the_documentation_has_every_code_and_its_level() -> None:
    text = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    told = [match.groups() for row in rows if (match := LINE.fullmatch(row))]
    assert len(told) == len(rows)
    assert told == [(code, level) for code, (level, _) in CODES.items()]


def test_every_code_is_found_somewhere_and_proven_somewhere() -> None:
    """A code that nothing names would be a promise that nobody keeps."""
    code = "".join(path.read_text() for path in (ROOT / "flask_hub_auth" / "doctor").glob("*.py"))
    proofs = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for each in CODES:
        kind = each.removeprefix("redirect-uri-")
        assert code.count(f'"{each}"') > 1 or code.count(f'"{kind}"') > 0, each
        assert f'"{each}"' in proofs, each


def test_what_there_is_to_do_is_one_sentence_without_gaps() -> None:
    for code in CODES:
        finding = found(
            code,
            "It was seen.",
            url="https://hub.example",
            uri="https://app.example/authorized",
            other="",
            setting="HUB_X",
            groups='["A"]',
        )
        assert finding.do
        assert not set("{}\n") & set(finding.do)


def test_what_servers_say_cannot_paint_the_screen_nor_fill_it() -> None:
    finding = found("hub-moved", "a\x1b[2J\r\nb" + "c" * 9000, url="https://h/\u202e" + "d" * 9000)
    assert finding.seen.startswith("a\\x1b[2J\\r\nbccc")
    assert finding.do.startswith("Set HUB_URL to https://h/\\u202eddd")
    assert len(finding.seen) + len(finding.do) < 2100


def test_a_cause_that_is_seen_twice_is_told_once() -> None:
    twice = [found("clock-apart", "first"), found("secret-wrong", "x"), found("clock-apart", "second")]
    assert [(each.code, each.seen) for each in each_once(twice)] == [("secret-wrong", "x"), ("clock-apart", "first")]


def test_lack_of_time_is_told_only_where_no_error_explains_it() -> None:
    late, warning = unfinished({"people"}), found("clock-apart", "x")
    assert [each.code for each in each_once([warning, *late])] == ["clock-apart", "check-unfinished"]
    assert [each.code for each in each_once([*late, found("hub-silent", "x")])] == ["hub-silent"]
    assert unfinished(set()) == []


@pytest.mark.parametrize(
    "key",
    [
        b"\0" * 32,
        b"x" * 64,
        b"abc" * 20,
        b"0123456789ab" * 4,
        b"0123456789abcdef" * 4,
        b"abcdefghijklmnopqrstuvwxyz0123456789",
        b"ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210",
        b"changeme" * 4,
        b"My-Secret-Key-for-the-flask-app!",
        b"please do change-me in production",
        b"01010101010101010101010101010101",
    ],
)
def test_a_key_that_can_be_guessed_is_weak(key: bytes) -> None:
    assert is_weak(key)


def test_a_key_that_was_made_by_chance_is_not_weak() -> None:
    for _ in range(2000):
        for key in (secrets.token_bytes(), secrets.token_hex().encode(), secrets.token_urlsafe().encode()):
            assert not is_weak(key), key


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        ("https://a.example/back/", "slash"),
        ("http://a.example/back", "scheme"),
        ("https://a.example:8443/back", "port"),
        ("https://b.example/back", "host"),
        ("https://a.example/back", ""),
        ("https://a.example/other", ""),
        ("https://a.example/back?x=1", ""),
        ("http://a.example/back/", ""),
        ("https://b.example:8443/back", ""),
        ("https://a.example:none/back", ""),
        ("myapp://back", ""),
    ],
)
def test_a_near_miss_differs_in_one_part(theirs: str, kind: str) -> None:
    assert difference("https://a.example/back", theirs) == kind
