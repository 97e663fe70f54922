"""Services: each is client, resource server and scope in one."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

# Every Hub has this id for itself, as a service and as a scope.
HUB_ID = "0-0-0-0-0"

# A refused redirect URI is kept on its service for an administrator to approve; more than this is noise.
MOST_UNTRUSTED_URIS = 20

# RFC 3986 section 3.1: a URI with a scheme is absolute, with slashes behind it or without.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")

# Four fields joined by dots are a token of Hub's library 1.0.41, spaces part the ids of a scope, which is URL-decoded,
# and a colon ends the id of a Basic header: only what means nothing to any of them.
ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(slots=True)
class Service:
    """What Hub calls a service.

    Without ``secret`` it is a public client, which needs PKCE. ``permissions`` are the keys that this service knows.
    ``untrusted_redirect_uris`` holds what was refused, in Hub's own shape: ``{"redirectURI", "triedFrom", "triedAt":
    milliseconds}``. ``about`` are fields of Hub's REST that are kept, and mean nothing here.
    """

    id: str
    name: str
    secret: str | None = field(default=None, repr=False)
    home_url: str | None = None
    redirect_uris: list[str] = field(default_factory=list)
    base_urls: list[str] = field(default_factory=list)
    application_name: str | None = None
    vendor: str | None = None
    version: str | None = None
    description: str | None = None
    permissions: list[str] = field(default_factory=list)
    trusted: bool = False
    consent_required: bool = True
    pkce_required: bool = False
    auth_code_flow: bool = True
    implicit_flow: bool = True
    client_credentials_flow: bool = True
    resource_owner_flow: bool = True
    untrusted_redirect_uris: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for an id that a token could not name."""
        if not ID.fullmatch(self.id):
            raise ValueError(f"A service id is letters, digits, - and _, got {self.id!r}. Example: my-app")

    @property
    def accepted_uris(self) -> list[str]:
        """Every redirect URI that is good, once: absolute ones, and relative ones at the home URL and the base URLs.

        Compared as a whole, trailing slash included; Hub knows no prefixes, wildcards or free loopback ports.
        """
        absolute = [uri for uri in self.redirect_uris if SCHEME.match(uri)]
        relative = [uri for uri in self.redirect_uris if not SCHEME.match(uri)]
        bases = [
            base for base in (self.home_url, *self.base_urls) if base and urlsplit(base).scheme in ("http", "https")
        ]
        return list(dict.fromkeys([*absolute, *(urljoin(base, uri) for base in bases for uri in relative)]))

    def has_secret(self, secret: str) -> bool:
        return self.secret is not None and hmac.compare_digest(self.secret.encode(), secret.encode())

    def note_untrusted(self, uri: str, tried_from: str, now: float) -> None:
        """Remembers a redirect URI that was refused, once."""
        if uri in {entry["redirectURI"] for entry in self.untrusted_redirect_uris}:
            return
        entry = {"redirectURI": uri, "triedFrom": tried_from, "triedAt": int(now * 1000)}
        self.untrusted_redirect_uris = [*self.untrusted_redirect_uris, entry][-MOST_UNTRUSTED_URIS:]

    def forget_approved(self) -> None:
        """What is accepted by now is no longer listed as refused."""
        accepted = self.accepted_uris
        refused = self.untrusted_redirect_uris
        self.untrusted_redirect_uris = [entry for entry in refused if entry["redirectURI"] not in accepted]
