"""What every part of the doctor stands on: the settings, a way to Hub within the time, and its failures as findings."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urljoin, urlsplit

from flask import Flask

from ..config import HubConfig
from ..errors import HubError, HubUnavailable
from ..hub import HubOAuth
from ..hub.answer import Answer
from ..hub.oauth import AUTHORIZATION_PATH
from ..hub.transport import Transport
from ..readers import Wrong
from ..urls import address
from ..web.state import HubState
from .clockwork import Budget
from .findings import Finding, found

LOGIN_PATH: t.Final = "/auth/login"
ERROR_PATH: t.Final = "/auth/oauth/error"
VERIFIER: t.Final = "hub-check-" + "0123456789" * 4
"""A verifier of the right length; nobody ever sends a code for it."""

_LONGEST_URL: t.Final = 200

_CAUSES: t.Final = {
    "proxy": "hub-proxy",
    "name": "hub-name-unknown",
    "certificate": "hub-certificate",
    "tls": "hub-tls",
    "refused": "hub-port-closed",
    "silent": "hub-silent",
    "spared": "hub-silent",
    "broken": "hub-broken-off",
    "other": "hub-unreachable",
    "secret": "secret-unreadable",
    "": "hub-failing",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """One application that is looked at."""

    app: Flask
    state: HubState
    budget: Budget

    @property
    def config(self) -> HubConfig:
        return self.state.config

    def way(self, url: str | None = None) -> Transport:
        """The way to Hub, or to another server, for the next call."""
        return self.state.transport.to(url or self.config.url, timeout=self.budget.for_call(self.config.timeout))

    def oauth(self) -> HubOAuth:
        """The grants of this service, for the next call."""
        config = self.config
        return HubOAuth(config.url, config.service_id, config.service_secret, transport=self.way())

    def ask(self, *, hub_url: str | None = None, method: str = "S256", **changes: t.Any) -> Word:
        """What the authorization endpoint says to a browser without a login; `changes` as in `authorization_url`.

        `method`: what the challenge of PKCE is said to be made by.
        """
        config, url = self.config, hub_url or self.config.url
        usual: dict[str, t.Any] = {
            "redirect_uri": config.redirect_uri,
            "state": "hub-check",
            "verifier": VERIFIER,
            "scope": config.scope,
            "offline": config.offline,
        }
        asked = usual | changes
        way = self.way(url)
        address = HubOAuth(url, config.service_id, transport=way).authorization_url(**asked)
        address = address.replace("code_challenge_method=S256", f"code_challenge_method={method}")
        return Word.of(way.look(address.removeprefix(way.hub_url)), url, asked["redirect_uri"])


Kind = t.Literal["login", "page", "back", "moved", "elsewhere", "abroad", "other"]


@dataclass(frozen=True, slots=True)
class Word:
    """What the authorization endpoint said.

    `kind`: ``login`` (the login page: all is well), ``page`` (an error that Hub shows itself), ``back`` (an error that
    goes to the client), ``moved`` (to the same endpoint at `base`), ``elsewhere`` (Hub's pages are at `base`),
    ``abroad`` (the same, on another server, which need be no Hub), or ``other``, which is none of Hub's answers.
    """

    kind: Kind
    answer: Answer
    error: str = ""
    base: str = ""

    @classmethod
    def of(cls, answer: Answer, hub_url: str, redirect_uri: str) -> Word:
        """Reads the answer (303 to its login or error page, 302 to the client: seen at Hubs of 2026)."""
        try:
            target = urlsplit(urljoin(hub_url + AUTHORIZATION_PATH, answer.headers.get("Location", "")))
            error = parse_qs(target.query).get("error", [""])[-1]
        except ValueError:
            return cls("other", answer)
        if not 300 <= answer.status < 400 or not target.hostname:
            return cls("other", answer)
        place = f"{target.scheme}://{target.netloc}{target.path}"
        if place == redirect_uri.partition("?")[0] and error:
            return cls("back", answer, error)
        for kind, path in (("login", LOGIN_PATH), ("page", ERROR_PATH), ("moved", AUTHORIZATION_PATH)):
            if target.path.endswith(path) and (base := base_url(place.removesuffix(path))):
                where = kind if kind == "moved" else _kind_at(kind, base, hub_url)
                return cls(t.cast(Kind, where), answer, error, base)
        return cls("other", answer)


def base_url(url: str) -> str:
    """`url`, which somebody else has said, if it could be a Hub's base; nothing if not."""
    try:
        return address(url) if len(url) <= _LONGEST_URL else ""
    except Wrong:
        return ""


def _kind_at(kind: str, base: str, hub_url: str) -> str:
    """What it means that one of Hub's pages, of this kind, is at `base`."""
    here, there = urlsplit(hub_url), urlsplit(base)
    if _origin(here) != _origin(there):
        return "abroad"
    return kind if here.path == there.path else "elsewhere"


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80}.get(parts.scheme, 443)


def failure(error: HubError) -> Finding:
    """What it is that Hub could not be asked, or answered what is not Hub's."""
    if isinstance(error, HubUnavailable):
        return found(_CAUSES[error.cause], str(error))
    return found("hub-nonsense", str(error))
