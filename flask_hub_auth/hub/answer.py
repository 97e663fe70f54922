"""What Hub answered: its status and its JSON, read strictly, and its errors as errors of ours."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from ..errors import HubProtocolError, HubRefused, HubUnavailable, TokenRejected
from ..pages import clean

DEEPEST: t.Final = 100
"""Levels of nesting that are read. Hub's own answers have about six."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Hub answered, read to its end."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def status_code(self) -> int:
        """The status under the name that Authlib reads."""
        return self.status

    def json(self) -> dict[str, t.Any]:
        """The one JSON object of the body: UTF-8 without byte order mark, no name twice, no NaN or Infinity."""
        found = parsed(self.body)
        if not isinstance(found, dict):
            raise HubProtocolError(f"{self} that is not one JSON object as Hub writes it.")
        return found

    def items(self) -> list[dict[str, t.Any]]:
        """The objects of a body that is one bare array, as Hub's permission cache answers."""
        found = parsed(self.body)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise HubProtocolError(f"{self} that is not one array of JSON objects.")
        return found

    def raise_for_status(self) -> None:
        """Raises for every status but 2xx, by the status and by the error in Hub's JSON, never by words in a text.

        5xx and most 429, ``server_error`` and ``temporarily_unavailable``: `HubUnavailable`. ``invalid_grant``:
        `TokenRejected`, whatever the 4xx (403 in library 1.0.41, 400 in RFC 6749 section 5.2). Other errors:
        `HubRefused`. Where Hub names none: `HubProtocolError`.
        """
        if 200 <= self.status < 300:
            return
        found = parsed(self.body) if self.status == 429 else None
        says_no = isinstance(found, dict) and found.get("error") == "invalid_grant"
        if self.is_away and not says_no:
            raise HubUnavailable(f"{self}.", retry_after=self.retry_after or 5)
        fields = self.json()
        error, description = fields.get("error"), fields.get("error_description")
        if not isinstance(error, str) or not error:
            raise HubProtocolError(f"{self} that names no error.")
        if error in ("server_error", "temporarily_unavailable"):
            raise HubUnavailable(f"{self} and the error {error}.", retry_after=self.retry_after or 5)
        kind = TokenRejected if error == "invalid_grant" else HubRefused
        raise kind(error, description if isinstance(description, str) else "")

    @property
    def is_away(self) -> bool:
        """Whether somebody answers in Hub's place, or Hub itself asks to be left alone."""
        return self.status >= 500 or self.status == 429

    @property
    def is_foreign(self) -> bool:
        """Whether this is a page or a redirect, as of a balancer, where Hub answers JSON."""
        start = self.body.lstrip()[:1]
        return 300 <= self.status < 400 or start == b"<" or (self.status >= 400 and start != b"{")

    @property
    def retry_after(self) -> int:
        """Seconds of ``Retry-After``, 1 to 30; 0 where there are none (a date is not read)."""
        text = self.headers.get("Retry-After", "")
        return min(max(int(text), 1), 30) if re.fullmatch("[0-9]{1,9}", text) else 0

    def __str__(self) -> str:
        media_type = self.headers.get("Content-Type", "").partition(";")[0].strip()
        return f"Hub answered HTTP {self.status} with {clean(media_type, 60) or 'an untyped body'}"


def parsed(body: bytes) -> object:
    """What JSON of Hub's says, read strictly; None if it is none.

    The errors of the parsers are dropped here: they carry the body.
    """
    try:
        found = json.loads(body.decode(), object_pairs_hook=_without_doubles, parse_constant=_refuse)
        if b"\\u" in body:
            # An escaped half of a surrogate pair is no character: encoding it would fail somewhere later.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return None if _is_deep(found) else found


def _is_deep(found: object) -> bool:
    """Whether it is nested deeper than anything of Hub's; how deep parsers go differs from Python to Python."""
    level = [found]
    for _ in range(DEEPEST):
        lists = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [child for children in lists for child in children]
    return bool(level)


def _without_doubles(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name twice")
    return fields


def _refuse(constant: str) -> t.NoReturn:
    raise ValueError(constant)
