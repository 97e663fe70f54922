"""Whether logins can be kept, and stay kept."""

from __future__ import annotations

import errno
import secrets
import typing as t
from pathlib import Path

from ..errors import StoreUnavailable
from ..tokens.store import FileStore, MemoryStore, Store
from .clockwork import Budget
from .findings import Finding, found

_BYTES: t.Final = 64 * 1024
"""More than a login has: a disk that is nearly full should show."""
_FULL: t.Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CAUSES: t.Final = {"away": "redis-away", "full": "store-full", "read-only": "store-not-writable"}


def look_at_store_in_time(budget: Budget, store: Store) -> list[Finding]:
    """What is wrong with the store, which may hang or drip for longer than anybody waits."""
    seen = budget.together({"store": lambda: look_at_store(store)})
    if "store" in seen:
        return seen["store"]
    code, what = ("store-not-writable", str(store.folder)) if isinstance(store, FileStore) else ("redis-away", "Redis")
    return [found(code, f"{what} has not kept one record, and given it back, in time.")]


def look_at_store(store: Store) -> list[Finding]:
    """What is wrong with the store: does all that logins need with something that is none."""
    if isinstance(store, MemoryStore):
        return []
    if isinstance(store, FileStore) and (problems := _folder(store.folder)):
        return problems
    try:
        _try_out(store)
        return [] if isinstance(store, FileStore) else list(_policies(store))
    except StoreUnavailable as error:
        other = "store-not-writable" if isinstance(store, FileStore) else "redis-refuses"
        return [found(_CAUSES.get(error.cause, other), str(error))]


def _folder(folder: Path) -> list[Finding]:
    # Named like what cachelib leaves behind, so that it is swept where this is cut short.
    path = folder / f"check-{secrets.token_hex(8)}.__wz_cache"
    try:
        with path.open("xb", buffering=0) as file:
            for place in (folder, folder / "locks"):
                place.stat()
            _write(file)
    except OSError as error:
        code = "store-full" if error.errno in _FULL else "store-not-writable"
        return [found(code, f"Nothing can be written into {folder}: {error.strerror}.")]
    finally:
        path.unlink(missing_ok=True)
    return []


def _write(file: t.IO[bytes]) -> None:
    """All of it: the last block of a disk takes a part."""
    left = bytes(_BYTES)
    while left:
        left = left[file.write(left) :]


def _try_out(store: Store) -> None:
    key = f"check:{secrets.token_hex(16)}"
    store.put(key, b"look", 60)
    if store.get(key) != b"look":
        raise StoreUnavailable("What was written was not there a moment later.")
    if not store.replace(key, b"look", b"look again", 60):
        raise StoreUnavailable("What was written could not be replaced.")
    # Twice: that a lock could not be freed is seen by whoever wants it next.
    for _ in range(2):
        with store.locks.hold("write", key, wait=1) as held:
            if not held:
                raise StoreUnavailable("A lock that was freed could not be taken again.")
    store.delete(key)


def _policies(store: Store) -> t.Iterator[Finding]:
    """Only Redis has them; a server that does not let anybody ask is taken for well."""
    try:
        evicts, keeps = t.cast(t.Any, store).policies()
    except StoreUnavailable as error:
        if error.cause:
            yield found(_CAUSES.get(error.cause, "redis-refuses"), str(error))
        return
    if policies := ", ".join(sorted(evicts - {"noeviction"})):
        yield found("redis-evicts", f"When Redis is full it throws logins away (maxmemory-policy {policies}).")
    if not keeps:
        yield found("redis-forgets", "Redis writes nothing to its disk, so a restart forgets all logins.")
