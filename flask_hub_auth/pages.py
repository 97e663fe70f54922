"""How a problem looks: HTML to people, problem details to scripts, and the headers of both."""

from __future__ import annotations

import logging
import typing as t
from html import escape

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("flask_hub_auth")

PAGES = "flask_hub_auth.pages"
"""Key of the WSGI environment under which the extension puts its :class:`Pages`."""

PAGE_HEADERS: t.Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every page of the extension: nothing cached, nothing loaded from elsewhere, no address passed on."""


class Problem(t.Protocol):
    """What a page needs to know of a problem.

    `code` is the HTTP status, `hub_code` one of the numbered codes. `again`: whether a password is all that is missing.
    """

    code: int | None
    hub_code: str
    reference: str
    return_to: str | None
    again: bool

    @property
    def title(self) -> str:
        """What happened, in a few words."""

    @property
    def sentence(self) -> str:
        """What happened, for a person."""


class Pages(t.Protocol):
    """What the extension knows about an error and this floor does not."""

    @property
    def realm(self) -> str:
        """The service id, for ``WWW-Authenticate``."""

    def login_url(self, problem: Problem) -> str | None:
        """The path that begins a login and comes back to where `problem` happened."""

    def html(self, problem: Problem) -> str:
        """The page that shows `problem` to a person."""


_finders: t.Final[list[t.Callable[[], Pages | None]]] = []


def find_by(finder: t.Callable[[], Pages | None]) -> None:
    """Let `finder` say whose request is at hand where nobody gives its environment: this floor knows no Flask."""
    _finders.append(finder)


def pages_of(environ: WSGIEnvironment | None) -> Pages | None:
    """What the extension has put into `environ`; without one, as in ``error.get_response()``, what a finder knows."""
    if environ is not None:
        return environ.get(PAGES)
    return next((pages for find in _finders if (pages := find())), None)


def prefers_html(environ: WSGIEnvironment) -> bool:
    """Whether a person reads the answer: a navigation, or an ``Accept`` that prefers HTML to JSON."""
    if environ.get("HTTP_SEC_FETCH_MODE") == "navigate":
        return True
    accept = parse_accept_header(environ.get("HTTP_ACCEPT"), MIMEAccept)
    json_quality = max(accept["application/json"], accept["application/problem+json"])
    return bool(accept["text/html"] > json_quality)


def clean(text: str, limit: int = 200) -> str:
    """`text` from outside as one printable line: control and direction marks escaped, at most `limit` characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def challenge(pages: Pages | None, **words: str) -> dict[str, str]:
    """The header ``WWW-Authenticate`` of a bearer scheme (RFC 6750 section 3)."""
    words = {"realm": pages.realm if pages else "hub"} | words
    return {"WWW-Authenticate": "Bearer " + ", ".join(f"{word}={quoted(value)}" for word, value in words.items())}


def quoted(text: str) -> str:
    """`text` as a quoted-string (RFC 9110 section 5.6.4)."""
    printable = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'


def page(problem: Problem, pages: Pages | None) -> str:
    """The application's page for `problem`, or a plain one where that cannot be made."""
    if pages:
        try:
            return pages.html(problem)
        except Exception:
            # A broken template must not turn a kind page into a stack trace.
            log.exception("The page for %s could not be rendered", problem.hub_code)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(problem.title)}</title>"
        f"<h1>{escape(problem.title)}</h1><p>{escape(problem.sentence)}</p><p>{problem.hub_code}"
        f" · {problem.reference}</p></html>"
    )
