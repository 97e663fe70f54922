"""Clients of redis-py: made from an address, or given; and why one will not do."""

from __future__ import annotations

import logging
import math
import re
import typing as t
from collections import Counter
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger("flask_hub_auth")

LONGEST_WAIT: t.Final = 60
"""Seconds of the longest timeout: past it nobody waits for a page."""
_OWN: t.Final[dict[str, t.Any]] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "max_connections": 10_000}
"""Seconds that a call takes at most, and how many threads may call at once; by itself the client waits 5 s for 100."""
_PIPELINES: t.Final = (redis.client.Pipeline, redis.cluster.ClusterPipeline)


class _Option(t.NamedTuple):
    """What a value in the query of an address has to be, in words and as a test."""

    words: str
    good: t.Callable[[str], bool]


def _number(longest: int) -> _Option:
    return _Option(f"a whole number from 1 to {longest}", lambda text: _is_whole(text) and 0 < int(text) <= longest)


def _one_of(*values: str) -> _Option:
    return _Option(f"one of {', '.join(values)}", lambda text: text in values)


def _is_whole(text: str) -> bool:
    return re.fullmatch("[0-9]{1,9}", text) is not None


def _is_wait(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and 0 < float(text) <= LONGEST_WAIT
    except ValueError:
        return False


_SECONDS: t.Final = _Option(f"a number of seconds above 0, at most {LONGEST_WAIT}", _is_wait)
_TEXT: t.Final = _Option("some text", bool)
_SWITCH: t.Final = _Option("true or false", lambda text: text.lower() in {"true", "false", "yes", "no", "1", "0"})

# Not all that redis-py knows: it takes some for text that have to be objects, as "retry", and fails when it calls.
_OPTIONS: t.Final[dict[str, _Option]] = {
    "client_name": _Option("a name without spaces", lambda text: re.fullmatch("[!-~]+", text) is not None),
    "db": _Option("the number of a database", _is_whole),
    "health_check_interval": _number(86400),
    "max_connections": _number(1_000_000),
    "password": _TEXT,
    "protocol": _one_of("2", "3"),
    "socket_connect_timeout": _SECONDS,
    "socket_keepalive": _SWITCH,
    "socket_timeout": _SECONDS,
    "ssl_ca_certs": _TEXT,
    "ssl_ca_path": _TEXT,
    "ssl_cert_reqs": _one_of("required", "optional", "none"),
    "ssl_certfile": _TEXT,
    "ssl_check_hostname": _SWITCH,
    "ssl_keyfile": _TEXT,
    "ssl_keyfile_password": _TEXT,
    "username": _TEXT,
}


def connect(address: str) -> redis.Redis:
    """The client of an address for which :func:`address_problem` finds nothing wrong. It connects when it is asked."""
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(address, **_OWN, retry=retry)


def address_problem(address: str) -> str | None:
    """What is wrong with an address of Redis; None if nothing is. It is not shown, since it may hold a password."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  # raises where it is none
    except ValueError:
        return "must have a port that is a number after a host, like redis://host:6379/0"
    if parts.scheme != "unix" and not re.fullmatch("(/[0-9]{0,9})?", parts.path):
        return "must end with the number of a database, like redis://host:6379/0"
    if "#" in address:
        return "must not have a #: write %23 for it"
    if problem := _query_problem(parts.query):
        return problem
    try:
        connect(address).connection_pool.make_connection()  # not connected, but its options are read
    except (ValueError, TypeError, redis.RedisError) as error:
        option = re.search(r"argument '(\w+)'|option '?(\w+)|for ['`](\w+)['`]", str(error))
        seen = f" ({next(filter(None, option.groups()))})" if option else ""
        return f"must have options that its scheme knows{seen}, like redis://host:6379/0?socket_timeout=0.5"
    return None


def _query_problem(query: str) -> str | None:
    options = parse_qsl(query, keep_blank_values=True)
    for name, value in options:
        if name not in _OPTIONS:
            # Perhaps the rest of a password with a "?" in it.
            seen = f" ({name})" if re.fullmatch("[a-z_]{1,40}", name) and "@" not in query else ""
            return f"must have no unknown option{seen}; known are {', '.join(_OPTIONS)}"
        if not _OPTIONS[name].good(value):
            return f"must have {_OPTIONS[name].words} as its option ({name})"
    twice = [name for name, count in Counter(name for name, _ in options).items() if count > 1]
    return f"must have each option once ({twice[0]})" if twice else None


def client_problem(client: t.Any) -> str | None:
    """Why a client cannot be used; None if it can."""
    if any(each.__module__.startswith("redis.asyncio") for each in type(client).__mro__):
        return "must be a RedisCache around a client of redis, not of redis.asyncio: nobody here awaits its answers"
    if isinstance(client, _PIPELINES):
        return "must be a RedisCache around a client of redis-py, not its pipeline, which collects what it is asked"
    if not all(callable(getattr(client, name, None)) for name in ("getrange", "eval", "lock")):
        return f"must be a RedisCache around a client of redis-py, got one around a {type(client).__name__}"
    if client.get_encoder().decode_responses:
        return "must be a client without decode_responses: what we keep are bytes, not text"
    return None


def warn_of_patience(client: t.Any) -> None:
    """Say so where a client that was given would keep requests waiting."""
    where = getattr(client, "connection_pool", None) or getattr(client, "nodes_manager", None)
    seconds = getattr(where, "connection_kwargs", {}).get("socket_timeout")
    if seconds is None or seconds > 1:
        waits = "for ever" if seconds is None else f"{seconds:g} s"
        log.warning("HUB_CACHE: this Redis client waits %s for an answer. Make it with socket_timeout=0.5.", waits)
