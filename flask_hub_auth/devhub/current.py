"""The Hub that the current request is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from flask import current_app, request, url_for
from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from .hub import DevHub

hub = cast("DevHub", LocalProxy(lambda: current_app.extensions["devhub"]))


def here(endpoint: str, query: str = "") -> str:
    """The address of one of Hub's own pages on the host that the browser asked, with ``query`` passed on unread."""
    address = request.host_url.rstrip("/") + url_for(endpoint)
    return f"{address}?{query}" if query else address


def parsed_query() -> str:
    """The query in one spelling, to tell whether two requests ask for the same."""
    return urlencode(sorted(request.args.items(multi=True)))


def raw_query() -> str:
    """The query as it came. It is percent-encoded still, so it can be put behind another address."""
    return request.query_string.decode("latin-1")
