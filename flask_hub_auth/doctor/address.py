"""Whether Hub is at ``HUB_URL``; and where it is, or who else is there, where it is not."""

from __future__ import annotations

import socket
import ssl
import typing as t
from functools import partial
from urllib.parse import urljoin, urlsplit

from ..errors import HubError, HubUnavailable
from ..hub.answer import Answer
from ..urls import is_loopback
from .clockwork import TimeIsOver
from .findings import Finding, found
from .ground import Ground, Word, base_url, failure

CONFIG_PATH: t.Final = "/api/config?fields=ring(url,serviceId),version"
"""Where a YouTrack tells its clients, without a login, where its Hub is (YouTrack Mobile reads it)."""
USUAL_PATHS: t.Final = ("/hub", "", "/youtrack/hub")
_GLANCE: t.Final = 2.0


def find_hub(ground: Ground) -> tuple[Word | None, list[Finding]]:
    """What Hub's authorization endpoint says, or why there is none."""
    try:
        word = ground.ask()
    except HubUnavailable as error:
        return None, [_unreachable(ground, error)]
    except HubError as error:
        return None, [found("hub-something-else", str(error))]
    if word.kind == "moved" or (word.kind == "abroad" and _hub_at(ground, word.base)):
        seen = f"{ground.config.url} sends everybody on to another address."
        return None, [found("hub-moved", seen, url=word.base)]
    if word.answer.status >= 500 or word.answer.status == 429:
        return None, [found("hub-failing", f"{word.answer}.")]
    if word.answer.status == 407:
        return None, [found("hub-proxy", "The proxy wants to know who asks (HTTP 407).")]
    if word.kind in ("other", "elsewhere", "abroad"):
        return None, [_somebody_else(ground, word)]
    return word, []


def _unreachable(ground: Ground, error: HubUnavailable) -> Finding:
    """Why nobody was reached. A server without TLS may break off, hang or answer when it is spoken to in TLS."""
    hub = urlsplit(ground.config.url)
    spoke_tls = hub.scheme == "https" and error.cause in ("tls", "silent", "broken")
    if spoke_tls and not ground.config.proxy and _speaks_http(hub.hostname or "", hub.port or 443, ground):
        seen = f"HUB_URL is {ground.config.url}, and what answers at {hub.netloc} speaks http without TLS."
        tls = "the address at which Hub speaks TLS; http is for this machine alone."
        url = hub._replace(scheme="http").geturl() if is_loopback(hub.hostname or "") else tls
        return found("hub-plain-http", seen, url=url)
    bundle = ground.config.ca_bundle
    if error.cause == "tls" and bundle and not _has_certificate(bundle):
        return found("hub-certificate", f"In HUB_CA_BUNDLE, which is {bundle}, there is no certificate.")
    return failure(error)


def _has_certificate(bundle: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)
    except OSError:
        return False
    return True


def _speaks_http(host: str, port: int, ground: Ground) -> bool:
    try:
        with socket.create_connection((host, port), ground.budget.for_call(_GLANCE)) as plain:
            plain.settimeout(ground.budget.for_call(_GLANCE))
            plain.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            status = plain.recv(12)
    except (OSError, ValueError, TimeIsOver):
        return False
    # 400 is what servers with TLS say to somebody without.
    return status.startswith(b"HTTP/1.") and not status.endswith(b"400")


def _somebody_else(ground: Ground, word: Word) -> Finding:
    """Who answers in Hub's place: its YouTrack, Hub at another path, or a stranger."""
    url = ground.config.url
    candidates = _candidates(url, word)
    asked: dict[str, t.Callable[[], str]] = {
        "youtrack": partial(_hub_of_youtrack, ground, url),
        **{base: partial(_hub_at, ground, base) for base in candidates},
    }
    answers = ground.budget.together(asked)
    if hub := answers.get("youtrack"):
        return found("hub-is-youtrack", f"At {url} is a YouTrack, which is not its Hub.", url=hub)
    at = next((base for base in candidates if answers.get(base)), word.base if word.kind == "elsewhere" else "")
    if at:
        return found("hub-path-wrong", f"At {url} is no Hub, but there is one at {at} on the same host.", url=at)
    return found("hub-something-else", f"What is at {url} is no Hub: {_told(word.answer)}.")


def _told(answer: Answer) -> str:
    return str(answer).replace("Hub answered", "it answers", 1)


def _candidates(url: str, word: Word) -> list[str]:
    """Other places on the same host: those above, those that are usual, and where redirects lead."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    steps = parts.path.split("/")
    above = ["/".join(steps[:length]) for length in range(len(steps) - 1, 0, -1)]
    paths = dict.fromkeys([*above, f"{parts.path}/hub", *USUAL_PATHS])
    return [origin + path for path in paths if path != parts.path]


def _hub_at(ground: Ground, base: str) -> str:
    """`base`, if Hub is there; nothing if not."""
    try:
        kind = ground.ask(hub_url=base).kind
    except HubError:
        return ""
    return base if kind in ("login", "page", "back") else ""


def _hub_of_youtrack(ground: Ground, url: str) -> str:
    """Where the YouTrack at `url` says that its Hub is; nothing if it is none."""
    try:
        ring = ground.way(url).look(CONFIG_PATH).json().get("ring")
        address = ring.get("url") if isinstance(ring, dict) else None
        # A path without a host is one of the origin (seen in YouTrack Mobile).
        return base_url(urljoin(url, address)) if isinstance(address, str) and address else ""
    except (HubError, ValueError):
        return ""
