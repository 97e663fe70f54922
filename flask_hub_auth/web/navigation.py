"""What kind of request this is: a person who opens a page, or something that cannot go to Hub and come back."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from werkzeug.datastructures import MultiDict

from ..errors import BearerMalformed
from ..pages import prefers_html

if t.TYPE_CHECKING:
    from flask import Request

    from ..config import HubConfig

# The scheme ends where no letter of a scheme follows (RFC 9110 section 5.6.2). Behind anything but a space stands no
# token, but what begins so is meant as one, and must not leave the decision to the cookie.
_BEARER: t.Final = re.compile(
    r"\s*bearer(?![\w!#$%&'*+.^`|~-])(?: (?P<token>.*))?", re.IGNORECASE | re.ASCII | re.DOTALL
)
# Servers join two headers with a comma.
_TWO_HEADERS: t.Final = re.compile(r",\s*bearer\s", re.IGNORECASE)


def arguments(request: Request) -> MultiDict[str, str]:
    """The query; nothing where it holds bytes that are no text, at which Werkzeug's own reading stumbles."""
    try:
        return request.args
    except UnicodeDecodeError:
        return MultiDict()


def can_navigate(request: Request) -> bool:
    """Whether whoever sent this request can go to Hub and come back: a person who opens a page."""
    headers = request.headers
    if request.method != "GET" or headers.get("HX-Request") == "true" or is_prefetch(request):
        return False
    if headers.get("X-Requested-With", "").lower() == "xmlhttprequest":
        return False
    mode, destination = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
    if mode is None and destination is None:
        return prefers_html(request.environ)
    # A service worker passes a navigation on with an empty destination.
    return mode in (None, "navigate") and destination in (None, "document", "empty" if mode else "document")


def is_prefetch(request: Request) -> bool:
    """Whether a browser fetches ahead, for a person who may never come."""
    words = " ".join(request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"))
    return "prefetch" in words.lower() or "prerender" in words.lower() or "preview" in words.lower()


def presented_token(request: Request) -> str | None:
    """The bearer token that a request presents: what stands behind ``Bearer``, as it is. None if there is none.

    Other schemes are a proxy's, not ours. Werkzeug's own reading gives up on padded permanent tokens of Hub.

    :raises BearerMalformed: it is presented in two ways at once
    """
    header = request.headers.get("Authorization", "")
    if _TWO_HEADERS.search(header):
        raise BearerMalformed("Two tokens are presented.")
    found = _BEARER.match(header)
    if found is None:
        return None
    is_form = request.mimetype == "application/x-www-form-urlencoded"
    if "access_token" in arguments(request) or (is_form and "access_token" in request.form):
        raise BearerMalformed("A token is presented in the header and in an address or form as well.")
    return found["token"] or ""


def is_foreign_host(request: Request, config: HubConfig) -> bool:
    """Whether the visitor used another host name than the public one (ports aside): cookies would not come back."""
    try:
        asked = urlsplit(f"//{request.host}").hostname
    except ValueError:
        return True
    return asked != urlsplit(config.service_url).hostname
