"""Return addresses that stay on this site.

An address is a path from the root of the site, with a query and fragment if it has them. Browsers read addresses more
generously than servers (WHATWG URL): a backslash is a slash, tabs and line breaks vanish, ``/\\host`` is another site.
So nothing is repaired here: what is not plainly a path of ours is no address.
"""

from __future__ import annotations

import typing as t
from urllib.parse import parse_qsl, quote, unquote, urlsplit

if t.TYPE_CHECKING:
    from flask import Request

    from ..config import HubConfig

LONGEST: t.Final = 2048
MOUNTED: t.Final = "flask_hub_auth.mounted"
"""Key of the WSGI environment that marks a request for an application mounted beside this one."""
STATIC: t.Final = "/hub_auth/static"
MARK: t.Final = "hub_asked"
"""Parameter of an address by which an optional page knows that Hub was asked, where no cookie says it."""
_ASCII: t.Final = "".join(chr(code) for code in range(0x21, 0x7F))  # kept as it is, byte for byte
_QUERY: t.Final = _ASCII.replace("\\", "")  # in a query, browsers send a backslash as it is; in a path it is a slash
_FORBIDDEN: t.Final = frozenset({0x5C, 0x20, 0x7F, 0xA0, 0x2028, 0x2029, 0xFEFF, *range(0x20), *range(0x80, 0xA0)})


def safe_address(value: str | None, config: HubConfig) -> str | None:
    """`value` as an ASCII path of this site; None if it is not plainly one.

    The addresses of the login itself are refused, since they would go round in circles, and so is a query that
    carries an access token.
    """
    if not value or not value.startswith("/") or len(value) > LONGEST:
        return None
    if any(ord(char) in _FORBIDDEN or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        return None
    address = quote(value, safe=_ASCII)
    path, _, query = address.partition("#")[0].partition("?")
    plain = _resolved(path)
    if plain.startswith("//") or path.startswith("//") or len(address) > LONGEST:
        return None
    own = (config.login_path, config.redirect_path, config.logout_path)
    if unquote(plain).rstrip("/") in {site_path(path, config) for path in own}:
        return None
    if any(name == "access_token" for name, _ in parse_qsl(query, keep_blank_values=True)):
        return None
    return address


def here(request: Request, config: HubConfig) -> str | None:
    """The address of this request as its visitor sees it; None unless it can be gone back to by a GET."""
    if request.method != "GET":
        return None
    path = _root(request, config) + request.path
    query = b"&".join(part for part in request.query_string.split(b"&") if not part.startswith(MARK.encode() + b"="))
    return safe_address(
        quote(path, safe="/!$&'()*+,;=:@~") + ("?" + quote(query, safe=_QUERY) if query else ""), config
    )


def marked(address: str, mark: str) -> str:
    """`address` with a mark, which :func:`here` leaves out again."""
    page, hash, fragment = address.partition("#")
    return f"{page}{'&' if '?' in page else '?'}{MARK}={mark}{hash}{fragment}"


def on_this_site(url: str | None, config: HubConfig) -> str | None:
    """The address in a whole URL, if that is one of this site."""
    base = urlsplit(config.service_url)
    origin = f"{base.scheme}://{base.netloc}"
    if not url or not url.startswith(origin) or url[len(origin) : len(origin) + 1] not in ("", "/", "?", "#"):
        return None
    return safe_address(url[len(origin) :] or "/", config)


def site_path(path: str, config: HubConfig) -> str:
    """A path of the settings as the visitor sees it, where the service does not live at the root of its host."""
    return _base_path(config) + path


def as_sent(url: str) -> str:
    """Host and port of a URL as browsers send them: in lower case, without the usual port."""
    parts = urlsplit(url)
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts.netloc.lower().removesuffix(usual)


def style_url(config: HubConfig) -> str:
    """The path of the stylesheet of our pages, also behind a proxy that cuts the place of the service off."""
    return site_path(f"{STATIC}/hub_auth.css", config)


def login_address(next: str | None, config: HubConfig, **more: str) -> str:
    """The path that begins a login and comes back to `next`."""
    words = ({"next": next} if next else {}) | more
    query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in words.items())
    return site_path(config.login_path, config) + ("?" + query if query else "")


def _base_path(config: HubConfig) -> str:
    return urlsplit(config.service_url).path


def _root(request: Request, config: HubConfig) -> str:
    base, root = _base_path(config), request.script_root
    if MOUNTED not in request.environ:
        return base or root
    # The place of the mounted application is in the root; what comes before it may be there, or cut off by a proxy.
    return root if f"{root}/".startswith(f"{base}/") else base + root


def _resolved(path: str) -> str:
    """`path` without dot segments, as browsers take them away; ``%2e`` is a dot to them."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments):
        dots = segment.lower().replace("%2e", ".")
        if dots == "..":
            kept = kept[:-1]
        elif dots != ".":
            kept.append(segment)
        if dots in (".", "..") and place == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)
