"""What can be made to go wrong, for an answer or on the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from werkzeug.wrappers import Response

from .id_tokens import WrongIdToken

Transport = Literal["refuse", "hang", "drip", "reset", "endless"]

LONGEST_DELAY = 600

# The fields of which a fault of all paths has at least one.
WRONG = ("status", "delay", "body", "headers", "transport", "id_token")

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*")

# Where the fault of a request is found by the part of Hub that answers it all the same.
FAULT = "devhub.fault"


@dataclass(slots=True)
class Fault:
    """``path`` is relative to Hub's base (``/api/rest/oauth2/token``), or ``*`` for all of Hub.

    ``delay`` is seconds before the answer. With any of ``status``, ``body`` and ``headers`` the answer is made of
    them, without them Hub's own comes. ``times`` counts the requests it is for; without it, until it is deleted.
    ``transport`` breaks the connection, see ``serving.py``. ``id_token`` makes the id token of the answer wrong in
    this way, where Hub gives one.
    """

    path: str
    status: int | None = None
    delay: float = 0
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None
    transport: Transport | None = None
    id_token: WrongIdToken | None = None

    @property
    def skips_hub(self) -> bool:
        """Whether Hub itself never sees the request. With ``drip`` and ``reset`` it does its work, unheard."""
        answers = self.status is not None or self.body is not None or bool(self.headers)
        return answers or self.transport in ("refuse", "hang", "endless")

    def response(self) -> Response:
        body = self.body or ""
        response = Response(body, status=self.status or 200, content_type=_content_type(body))
        response.headers.update(dict(self.headers))
        return response


class Faults:
    """The faults in force. Exact paths go before ``*``, then the older one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fields: dict[str, Any]) -> None:
        """Raises ValueError for a field that is unknown or makes no sense."""
        _check(fields)
        self._faults.append(Fault(**fields))

    def clear(self) -> None:
        self._faults.clear()

    def take(self, path: str) -> Fault | None:
        """The fault for this request, counted down."""
        fault = next((fault for wanted in (path, "*") for fault in self._faults if fault.path == wanted), None)
        if fault and fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self._faults.remove(fault)
        return fault


def require_fault(path: str, fields: Mapping[str, Any]) -> None:
    """Raises ValueError where nothing is said of what goes wrong; of one path it says that all is well there."""
    if (
        path == "*"
        and not fields.keys() - set(Fault.__dataclass_fields__)
        and all(fields.get(name) is None for name in WRONG)
    ):
        raise ValueError(f"a fault needs what goes wrong, such as status=503: one of {', '.join(WRONG)}")


def _check(fields: dict[str, Any]) -> None:
    """Raises ValueError, in a sentence, for the first field that nothing could be done with."""
    known = set(Fault.__dataclass_fields__)
    for name in sorted(fields.keys() - known):
        raise ValueError(f"a fault has no {name}; it has {', '.join(sorted(known))}")
    for name, (good, wanted) in RULES.items():
        if name in fields and not good(fields[name]):
            raise ValueError(f"{name} must be {wanted}, got {fields[name]!r}")
    if "path" not in fields:
        raise ValueError('a fault needs a path, or "*" for all')


RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "path": (lambda value: isinstance(value, str) and (value == "*" or value.startswith("/")), '"*", or begin with /'),
    "status": (lambda value: value is None or (_is_number(value, int) and 200 <= value <= 599), "200 to 599"),
    "delay": (lambda value: _is_number(value, int | float) and 0 <= value <= LONGEST_DELAY, "0 to 600 seconds"),
    "body": (lambda value: value is None or (isinstance(value, str) and _fits(value, "utf-8")), "a string"),
    "headers": (
        lambda value: isinstance(value, Mapping) and all(_is_header(*pair) for pair in value.items()),
        "an object of names and values that HTTP has",
    ),
    "times": (lambda value: value is None or (_is_number(value, int) and value >= 1), "a number from 1"),
    "transport": (lambda value: value is None or value in get_args(Transport), f"one of {get_args(Transport)}"),
    "id_token": (lambda value: value is None or value in get_args(WrongIdToken), f"one of {get_args(WrongIdToken)}"),
}


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_header(name: object, value: object) -> bool:
    """RFC 9110 section 5: a token, and a value of visible letters that fit into a byte each."""
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    return bool(HEADER_NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value))


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return True


def _content_type(body: str) -> str:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "text/html; charset=utf-8"
    return "application/json"
