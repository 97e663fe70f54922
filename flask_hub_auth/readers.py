"""What reads the value of a setting: takes what the application has set, gives it in its final shape or refuses it.

The value may be what ``Flask.config.from_prefixed_env()`` makes of an environment variable. That reads as JSON
whatever it can, so that a text of digits arrives as a number. No sentence shows a secret, nor user and
password of a URL.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from .pages import clean

KEY_BYTES: t.Final = 32
EXAMPLE_KEYS: t.Final = {b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"}
"""Keys that everybody can read in Flask's documentation."""
CENTURY: t.Final = 100 * 365 * 86400
"""The longest duration: what is longer does not fit into every store."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_QUOTE = "; in the environment, put it in double quotes"


class Wrong(Exception):
    """What is wrong with a value: sentences that follow the name of the setting."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: what holds without it, what reads it, how it may look, what it is for."""

    default: t.Any
    read: Callable[[t.Any], t.Any]
    example: str
    meaning: str

    def take(self, value: object) -> t.Any:
        """`value` in its final shape. None may be given where it is the default. :class:`Wrong` if it is unusable."""
        if value is None and self.default is None:
            return None
        if value is MISSING or (value is None and self.default is MISSING):
            raise Wrong(self.explained("is missing"))
        try:
            return self.read(value)
        except Wrong as wrong:
            raise Wrong(*map(self.explained, wrong.args)) from None

    def explained(self, sentence: str) -> str:
        """`sentence`, and how it would be right."""
        return f"{sentence}. Example: {self.example}."


def collect(readings: Mapping[str, Callable[[], t.Any]]) -> tuple[dict[str, t.Any], list[str]]:
    """The values of all `readings` that succeed, and the sentences of those that do not, each with its name."""
    values, wrong = {}, []
    for name, read in readings.items():
        try:
            values[name] = read()
        except Wrong as each:
            wrong += [f"{name} {sentence}" for sentence in each.args]
    return values, wrong


def shown(value: object) -> str:
    """`value` for a sentence: printable, short, of a URL neither user-info nor query."""
    if isinstance(value, str):
        return f"'{clean(without_secrets(value), 80)}'"
    plain_number = isinstance(value, bool | float) or spelled(value) is not value
    # The repr of anything else may hold a secret.
    return clean(repr(value), 80) if plain_number else kind(value)


def without_secrets(url: str) -> str:
    """`url` with neither user-info nor query."""
    return re.sub(r"([?#]).+", r"\1…", re.sub(r"^([\w+.-]*://)?.*@", r"\1***@", url, flags=re.S), flags=re.S)


def kind(value: object) -> str:
    """What sort of value it is, where the value itself is not shown."""
    return "None" if value is None else f"a value of type {type(value).__name__}"


def spelled(value: object) -> object:
    """The text that a whole number was in the environment; anything else as it is."""
    # Python writes no number of more than 4,300 digits; nobody has one.
    return str(value) if type(value) is int and value.bit_length() < 4096 else value


def text(value: object) -> str:
    """A name. A fraction or a truth value has lost its spelling, so it is refused."""
    if isinstance(value, bool | float):
        raise Wrong(f"must be text, got {shown(value)}{_QUOTE}")
    name = spelled(value)
    if not isinstance(name, str) or not name.strip():
        raise Wrong(f"must be text, got {shown(value)}")
    if CONTROL.search(name):
        raise Wrong(f"must not contain control characters, got {shown(value)}")
    return name


def ident(value: object) -> str:
    """An id."""
    name = text(value)
    if name.split() != [name]:
        raise Wrong(f"must be an id without spaces, got {shown(value)}")
    return name


def secret(value: object) -> Callable[[], str]:
    """A callable that gives the secret."""
    if callable(value):
        return t.cast("Callable[[], str]", value)
    given = spelled(value)
    if given == "":
        raise Wrong("must not be empty; leave it out for a public client")
    if not isinstance(given, str):
        raise Wrong(f"must be text or a callable, got {kind(value)}{_QUOTE}")
    if CONTROL.search(given):
        raise Wrong("must not contain control characters, such as the end of a line")
    return lambda: given


def file(value: object) -> str:
    """The path of a file that can be read."""
    try:
        _content(value)
    except Wrong as wrong:
        raise Wrong(f"{wrong}, got {shown(str(value) if isinstance(value, Path) else value)}") from None
    return str(value)


def secret_file(value: object) -> Path:
    """A file with a secret in it. Its path is not shown: by mistake it may be the secret itself."""
    secret_in(value)
    return Path(t.cast("str | Path", value))


def secret_in(value: object) -> str:
    """The secret that the file holds now. One end of a line at its end is cut, nothing else."""
    try:
        found = _content(value).decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Wrong("must be a file in UTF-8") from None
    if not found:
        raise Wrong("must be a file with the secret in it, but the file is empty")
    return found


def _content(value: object) -> bytes:
    if not isinstance(value, str | Path):
        raise Wrong("must be the path of a file")
    try:
        return Path(value).read_bytes()
    except OSError as error:
        raise Wrong(f"must be a file that can be read ({error.strerror})") from None
    except ValueError:
        raise Wrong("must be the path of a file") from None


def parsed(value: str, what: str) -> t.Any:
    """JSON that an application wrote as text."""
    try:
        return json.loads(value, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise Wrong(f"must be {what}, got {shown(value)}, which is not JSON") from None


def _each_once(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    # A parser would take the last one, and say nothing.
    for name, number in Counter(name for name, _ in pairs).items():
        if number > 1:
            raise Wrong(f"must have each name once, got {shown(name)} {number} times")
    return dict(pairs)


def _entries(value: object, *, divide: Callable[[str], list[str]]) -> tuple[str, ...]:
    """A list of texts without doubles: a real one, or JSON, or what `divide` makes of a text."""
    value = spelled(value)
    if isinstance(value, str) and value.strip():
        value = parsed(value, "a list") if value.lstrip().startswith("[") else divide(text(value))
    if not isinstance(value, list | tuple | set | frozenset):
        raise Wrong(f"must be a list, got {shown(value)}")
    try:
        return tuple(dict.fromkeys(text(entry) for entry in value))
    except Wrong as wrong:
        raise Wrong(f"has an entry that {wrong}") from None


ids = partial(_entries, divide=str.split)
names = partial(_entries, divide=lambda name: [name])  # Never split: groups have spaces.


_NAME = r"[A-Za-z0-9_$-]+(?:/[A-Za-z0-9_$-]+)*"
_READ = re.compile(rf"({_NAME})\({_NAME}\0?(?:,{_NAME}\0?)*\)")


def fields(value: object) -> tuple[str, ...]:
    """Fields as Hub's ``fields=`` takes them: ``name``, ``name/name``, ``name(name,name(name))``."""
    entries = ids(value)
    for entry in entries:
        left, found = entry, 1
        while found:
            # The innermost parentheses first; the mark says that the name before them has had its own.
            left, found = _READ.subn("\\1\0", left)
        if not re.fullmatch(rf"{_NAME}\0?", left):
            raise Wrong(f"has an entry that must be one field as Hub writes it, got {shown(entry)}")
    return entries


def scope(value: object) -> tuple[str, ...]:
    """What a login asks for."""
    entries = ids(value)
    if not entries:
        raise Wrong("must have an entry; without the setting it is Hub, this service and all of HUB_SERVICES")
    return entries


def flag(value: object) -> bool:
    """True or false."""
    known = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(known, bool):
        raise Wrong(f"must be true or false, got {shown(value)}")
    return known


def choice(*words: str) -> Callable[[object], str]:
    """A reader of one of `words`."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong(f"must be one of {', '.join(words)}, got {shown(value)}")
        return value

    return read


def seconds(value: object, *, most: int = CENTURY) -> float:
    """A duration from 0 to `most` seconds."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, str) and re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", number):
        number = float(number)
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise Wrong(f"must be a number of seconds, got {shown(value)}")
    if not 0 <= number <= most:  # NaN is refused here too.
        raise Wrong(f"must be a number of seconds from 0 to {most}, got {shown(number)}")
    return number


def life(value: object, *, most: int = CENTURY) -> float:
    """A duration that is not 0."""
    number = seconds(value, most=most)
    if not number:
        raise Wrong("must be a number of seconds above 0, got 0")
    return number


def key(value: object) -> bytes:
    """A key to sign and seal with. No sentence shows it."""
    if not isinstance(value, str | bytes):
        digits = f"; from_prefixed_env reads digits as a number{_QUOTE}" if isinstance(value, int) else ""
        raise Wrong(f"must be text or bytes, got {kind(value)}{digits}")
    try:
        found = value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError:
        raise Wrong("must be text in UTF-8") from None
    if len(found) < KEY_BYTES:
        raise Wrong(f"must have at least {KEY_BYTES} bytes, got {len(found)}")
    if found in EXAMPLE_KEYS:
        raise Wrong("must be secret, but is an example of Flask's documentation")
    return found


def keys(value: object) -> tuple[bytes, ...]:
    """A list of keys. Of a text every single character would be one."""
    if not isinstance(value, list | tuple):
        raise Wrong(f"must be a list of keys, got {kind(value)}")
    values, wrong = collect({f"entry {number}": partial(key, each) for number, each in enumerate(value, 1)})
    if wrong:
        raise Wrong(*(f"is wrong: {sentence}" for sentence in wrong))
    return tuple(values.values())
