"""What a ``scope`` parameter asks for: services by id or name, and the words of OpenID Connect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

from .options import Options
from .people import People
from .services import HUB_ID, Service

OPENID_WORDS = frozenset({"openid", "profile", "email", "groups", "offline_access"})

# JetBrains' ring-ui encodes each name of a request, splits the answer at spaces, and looks there for the names as they
# are. So a name comes back decoded; with a space, or letters beyond ASCII (RFC 6749 section 3.3), as it was sent.
ONE_WORD = re.compile(r"[!-~]+")

# Letters; more than a service could have names for.
LONGEST_SCOPE = 10_000


class UnknownScope(Exception):
    """No service has this name: ``Scope <x> doesn't match any Service``."""


@dataclass(frozen=True, slots=True)
class Scope:
    """``entries`` are pairs of what an answer says and the id of the service it names, None for OpenID words."""

    entries: tuple[tuple[str, str | None], ...]

    @property
    def services(self) -> tuple[str, ...]:
        """Ids of the services, each once, in the order asked for: the audience of the token."""
        return tuple(dict.fromkeys(service for _, service in self.entries if service))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of OpenID Connect."""
        return tuple(text for text, service in self.entries if service is None)

    @property
    def wants_consent(self) -> tuple[str, ...]:
        """What a person approves: the services, and with them the words; where there is no service, the words."""
        return self.services or self.words

    @property
    def text(self) -> str:
        """What an answer says in ``scope``: ids or names, as requested.

        Of an OpenID request only the OpenID words come back; the services count as "resource access".
        """
        openid = "openid" in self
        return " ".join(text for text, service in self.entries if service is None or not openid)

    def __contains__(self, word: str) -> bool:
        return (word, None) in self.entries

    def only(self, services: set[str]) -> Scope:
        """Narrowed to these services, which is what a person approved."""
        return Scope(tuple(entry for entry in self.entries if entry[1] is None or entry[1] in services))


def read_scope(text: str, people: People, options: Options) -> Scope:
    """Splits at spaces, then URL-decodes each element once more: JetBrains' clients encode each name first.

    A name with a space that was not encoded so is matched greedily (the longest run of words that is a name), since
    YouTrack Mobile sends ``Hub YouTrack Konnector``. Words that are no name are dropped while anything else matches,
    unless this Hub is ``strict_scope``. Raises UnknownScope.
    """
    if len(text) > LONGEST_SCOPE:
        raise UnknownScope(f"{text[:40]}… is too long and")
    words = text.split()
    entries: list[tuple[str, str | None]] = []
    unknown: list[str] = []
    while words:
        entry, length = _longest_match(words, people, options)
        if entry is None:
            unknown.append(words[0])
        elif entry not in entries:
            entries.append(entry)
        del words[:length]
    if unknown and (options.strict_scope or not entries):
        raise UnknownScope(unquote_plus(unknown[0]))
    return Scope(tuple(entries))


def _longest_match(words: list[str], people: People, options: Options) -> tuple[tuple[str, str | None] | None, int]:
    if options.openid and words[0] in OPENID_WORDS:
        return (words[0], None), 1
    for length in range(min(len(words), 8), 0, -1):
        text = " ".join(words[:length])
        name = unquote_plus(text)
        service = _service_named(name, people, options)
        if service:
            return (name if ONE_WORD.fullmatch(name) else text, service.id), length
    return None, 1


def _service_named(name: str, people: People, options: Options) -> Service | None:
    found = people.service_named(name)
    if found or not (options.ignores_case_of_names or options.knows_application_names):
        return found
    spelled = str.casefold if options.ignores_case_of_names else str
    for service in people.services.values():
        names = (service.name, service.application_name or "")[: 1 + options.knows_application_names]
        if spelled(name) in map(spelled, names):
            return service
    return None


def default_scope(service_id: str) -> Scope:
    """Hub and the service itself."""
    return Scope(tuple((entry, entry) for entry in dict.fromkeys((HUB_ID, service_id))))
