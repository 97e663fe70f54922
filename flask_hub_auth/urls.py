"""What reads the addresses in the settings: of servers, of a proxy, of our own pages, of a store."""

from __future__ import annotations

import ipaddress
import re

from .readers import CONTROL, Wrong, shown

# RFC 3986 section 3.3 without "@", percent-encoding and the segments "." and ".."
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:-]+"
_URL = re.compile(rf"(https?)://(\[[0-9a-f:.]+\]|[\w.-]+)(?::([0-9]{{1,20}}))?((?:/{_SEGMENT})*)/?", re.IGNORECASE)
_PATH = re.compile(rf"/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?")


def address(value: object) -> str:
    """The base URL of a server, as it is given, but without a slash at its end."""
    if not isinstance(value, str):
        raise Wrong(f"must be a URL, got {shown(value)}")
    for mark, what in {"@": "user name and password", "?": "query", "#": "fragment", "%": "percent signs"}.items():
        if mark in value:
            raise Wrong(f"must be a URL without {what}, got {shown(value)}")
    parts = _URL.fullmatch(value)
    if not re.match("https?://", value, re.IGNORECASE):
        raise Wrong(f"must be a URL that begins with https://, got {shown(value)}")
    if not parts or not _is_host(parts[2]):
        raise Wrong(f"must be https:// with a host, and maybe a port and a plain path behind it, got {shown(value)}")
    if not 0 < int(parts[3] or 1) < 65536:
        raise Wrong(f"must have a port from 1 to 65535, got {shown(value)}")
    return parts[1].lower() + value.removesuffix("/")[len(parts[1]) :]


def own_address(value: object) -> str:
    """The base URL of this service, as browsers name it in their requests: a host in ASCII."""
    url = address(value)
    if not url.isascii():
        raise Wrong(f"must have its host in ASCII, as browsers send it (xn--…), got {shown(value)}")
    return url


def safe_address(value: object) -> str:
    """A base URL whose traffic nobody on the way can read: https, or http that does not leave this machine."""
    url = address(value)
    parts = _URL.fullmatch(url)
    if url.startswith("http:") and parts and not is_loopback(parts[2]):
        raise Wrong(f"must begin with https:// (http:// only on localhost, 127.0.0.1 and [::1]), got {shown(value)}")
    return url


def proxy(value: object) -> str:
    """The URL of a proxy. It is not shown, since it may hold a password."""
    parts = re.fullmatch(r"(?i)(https?://)(?:[^\s/?#@]+@)?([^\s/?#@]+/?)", value) if isinstance(value, str) else None
    try:
        address(parts[1] + parts[2] if parts else None)
    except Wrong:
        raise Wrong("must be an http or https URL of a host and a port (its value is not shown here)") from None
    return str(value)


def path(value: object) -> str:
    """The path of an address of ours."""
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise Wrong(f"must be a path with one slash at its start, without query or odd signs, got {shown(value)}")
    return value


def place(value: object) -> str:
    """A place on this site, with or without a query."""
    if not isinstance(value, str) or CONTROL.search(value) or not re.fullmatch(r"/(?![/\\])[^\s\\]*", value):
        raise Wrong(f"must be a path on this site with one slash at its start, got {shown(value)}")
    return value


def cache(value: object) -> object:
    """The address of a store, or an object: whether that will do is for the store to say."""
    if isinstance(value, bool | int | float | bytes | list | tuple | dict):
        raise Wrong(f"must be a URL or a cachelib cache, got {shown(value)}")
    if isinstance(value, str) and not re.fullmatch(r"memory://|(file:///|rediss?://|unix://)\S+", value):
        # What follows the scheme may hold a password at an unexpected place.
        seen = shown(re.sub(r":.*", ":…", value, flags=re.S))
        raise Wrong(f"must be memory://, file:///…, redis://…, rediss://… or unix://…, got {seen}")
    return value


def _is_host(host: str) -> bool:
    try:
        return bool(ipaddress.IPv6Address(host[1:-1]) if host[0] == "[" else host.encode("idna"))
    except ValueError:  # The base of what both raise
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        number = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return number in ipaddress.ip_network("127.0.0.0/8") or number == ipaddress.ip_address("::1")
