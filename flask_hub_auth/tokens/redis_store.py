"""Logins in Redis, which workers on several hosts share: a single server, a Sentinel's master, or a Cluster.

The client is asked directly: cachelib's own cache unpickles what it reads. Waits are short, since every request asks;
a breaker spares a Redis that does not answer, and everybody who would have to wait for it.
"""

from __future__ import annotations

import contextlib
import logging
import typing as t

import redis

from ..breaker import Breaker
from ..errors import StoreUnavailable
from ..model import RECORD_LIMIT
from ..pages import clean
from ..seldom import Seldom
from .locks import RedisLocks
from .redis_clients import connect, warn_of_patience

log = logging.getLogger("flask_hub_auth")

T = t.TypeVar("T")

PREFIX: t.Final = "flask-hub-auth:"
"""What our keys begin with where an address is given. A ``RedisCache`` has a prefix of its own."""
LONGEST: t.Final = 100 * 365 * 86400
"""Seconds of the longest entry: Redis counts in milliseconds of 64 bits, and refuses what does not fit."""

_NO_CLUSTER: t.Final = (redis.exceptions.ClusterDownError, redis.exceptions.RedisClusterException)
_AWAY: t.Final = (redis.ConnectionError, redis.TimeoutError, OSError, *_NO_CLUSTER)
_READ: t.Final = (redis.RedisError, *_AWAY)
"""What redis-py raises of itself. Whatever else it raises, as ValueError, comes from an answer that it cannot read."""

# One command, since between two of them another process may write.
_REPLACE: t.Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


class RedisStore:
    """The store behind one client of redis-py.

    :param prefix: gives what all keys begin with
    :param timeout: seconds that one call to Hub takes at most
    """

    def __init__(self, client: t.Any, prefix: t.Callable[[], str], timeout: float) -> None:
        self._client = client
        self._prefix = prefix
        self._breaker = Breaker("Redis", self._answers)
        self._may_complain = Seldom()
        self.locks = RedisLocks(self._lock, lease=timeout + 3)

    def get(self, key: str) -> bytes | None:
        # No more than a record has: somebody else may have put a gigabyte there.
        name = self._prefix() + key
        try:
            data = self._asked(lambda: self._client.getrange(name, 0, RECORD_LIMIT))
        except WrongType:
            return None
        return data if isinstance(data, bytes) and 0 < len(data) <= RECORD_LIMIT else None

    def put(self, key: str, data: bytes, seconds: int) -> None:
        name, data = self._prefix() + key, _kept(data)
        self._asked(lambda: self._client.set(name, data, ex=_life(seconds)))

    def replace(self, key: str, before: bytes, data: bytes, seconds: int) -> bool:
        arguments = (self._prefix() + key, before, _kept(data), _life(seconds))
        try:
            return bool(self._asked(lambda: self._client.eval(_REPLACE, 1, *arguments)))
        except WrongType:
            return False

    def delete(self, key: str) -> None:
        name = self._prefix() + key
        self._asked(lambda: self._client.delete(name))

    def claim(self, key: str, seconds: int) -> bool:
        name = self._prefix() + key
        return bool(self._asked(lambda: self._client.set(name, b"used", ex=_life(seconds), nx=True)))

    def sweep(self) -> None:
        """Redis throws away by itself what is over."""

    def policies(self) -> tuple[frozenset[str], bool]:
        """What Redis throws away when it is full, and whether a restart of it keeps what it has.

        One policy for each server. Where nobody may know how its data is kept, it is taken for kept.
        """
        memory = _servers(self._asked(lambda: self._client.info("memory")))
        # Without a limit nothing is thrown away, whatever the policy.
        limited = [each for each in memory if each.get("maxmemory", 1)]
        found = frozenset(str(each["maxmemory_policy"]) for each in limited if "maxmemory_policy" in each)
        log = _servers(self._asked(lambda: self._client.info("persistence")))
        if all(each.get("aof_enabled") for each in log):
            return found, True
        with contextlib.suppress(StoreUnavailable):
            saves = _servers(self._asked(lambda: self._client.config_get("save")))
            return found, all(each.get("save") for each in saves)
        return found, True

    def _lock(self, name: str, lease: float) -> RedisLock:
        return RedisLock(self._asked, self._client.lock(self._prefix() + name, timeout=lease, thread_local=False))

    def _asked(self, ask: t.Callable[[], T]) -> T:
        if not self._breaker.ask():
            raise StoreUnavailable("Redis has failed several times in a row; it is not asked until it answers again.")
        try:
            answer = ask()
        except Exception as error:
            raise self._translated(error) from None
        except BaseException:
            # Cut short, as by a signal: an answer may be under way that the next caller would take for its own.
            self._drop_connections()
            raise
        self._breaker.succeeded()
        return answer

    def _translated(self, error: Exception) -> StoreUnavailable:
        words = f"{type(error).__name__}: {clean(str(error), 200)}"
        if isinstance(error, redis.AuthenticationError) and self._may_complain():
            log.critical("Redis does not accept the user or password of HUB_CACHE")
        if not isinstance(error, _READ) or isinstance(error, redis.InvalidResponse):
            # What answers is no Redis, or has lost its place: of what else is under way nothing can be believed.
            self._drop_connections()
            self._breaker.failed()
            return StoreUnavailable(f"Redis gave an answer that cannot be read ({words}).", cause="away")
        # Where all connections of the client are in use, Redis itself may be well.
        if isinstance(error, _AWAY) and not isinstance(error, redis.exceptions.MaxConnectionsError):
            self._breaker.failed()
            cause = "refused" if isinstance(error, redis.AuthenticationError) else "away"
            return StoreUnavailable(f"Redis could not be asked ({words}).", cause=cause)
        if isinstance(error, redis.exceptions.ReadOnlyError):
            # What was the master is a replica now; connections made anew lead to its successor.
            self._drop_connections()
        # The first word of an answer with an error is its code (Redis protocol, "Simple errors").
        if str(error).startswith("WRONGTYPE"):
            if self._may_complain():
                log.warning("under one of our keys Redis keeps something that is no record")
            return WrongType("What Redis keeps under one of our keys is none of our records.")
        kinds = {"full": redis.exceptions.OutOfMemoryError, "read-only": redis.exceptions.ReadOnlyError}
        cause = next((cause for cause, kind in kinds.items() if isinstance(error, kind)), "refused")
        return StoreUnavailable(f"Redis refused ({words}).", cause=cause)

    def _drop_connections(self) -> None:
        nodes = self._client.get_nodes() if hasattr(self._client, "get_nodes") else []
        clients = [node.redis_connection for node in nodes if node.redis_connection] or [self._client]
        for client in clients:
            try:
                client.connection_pool.disconnect(inuse_connections=False)
            except TypeError:
                client.connection_pool.disconnect()  # before redis-py 7 a blocking pool only drops all

    def _answers(self) -> bool:
        try:
            # Not a PING: a Cluster that has lost a server answers that, and nothing else.
            self._client.getrange(self._prefix() + "look", 0, 0)
        except Exception:
            return False
        return True


class WrongType(StoreUnavailable):
    """Under the key lies something that no call of ours has put there, such as a list."""


class RedisLock:
    """The client's own lock, whose errors are ours."""

    def __init__(self, asked: t.Callable[[t.Callable[[], t.Any]], t.Any], lock: t.Any) -> None:
        self._asked = asked
        self._lock = lock

    def acquire(self, token: str) -> bool:
        """True if it is ours from now on. Never waits for another owner."""
        return bool(self._asked(lambda: self._lock.acquire(blocking=False, token=token)))

    def owns(self, token: str) -> bool:
        """Whether an earlier try with this token has taken it, although no answer came."""
        self._lock.local.token = token.encode()
        owned = bool(self._asked(self._lock.owned))
        if not owned:
            self._lock.local.token = None
        return owned

    def release(self) -> None:
        """Free it, unless its lease has run out: then it is somebody else's, and stays so."""
        self._asked(self._lock.release)


def open_address(address: str, timeout: float) -> RedisStore:
    """The store at an address for which ``address_problem`` finds nothing wrong."""
    return RedisStore(connect(address), lambda: PREFIX, timeout)


def open_client(client: t.Any, prefix: t.Callable[[], str], timeout: float) -> RedisStore:
    """The store behind the client of a ``RedisCache``."""
    warn_of_patience(client)
    return RedisStore(client, prefix, timeout)


def _kept(data: bytes) -> bytes:
    if len(data) > RECORD_LIMIT:
        raise StoreUnavailable(f"A record of {len(data)} bytes is not kept; the limit is {RECORD_LIMIT}.")
    return data


def _servers(answer: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """An answer of each server: a Cluster's client hands over one for each of them."""
    values = list(answer.values())
    return values if values and all(isinstance(each, dict) for each in values) else [answer]


def _life(seconds: int) -> int:
    return min(max(1, seconds), LONGEST)
