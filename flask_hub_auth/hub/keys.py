"""Public keys of Hub by their names: read when one is wanted that is not known, and not for everybody who asks."""

from __future__ import annotations

import threading
import typing as t

from ..errors import HubUnavailable

KEY_PAUSE: t.Final = 60
"""Seconds between two readings that are for nothing, since whoever presents a token can invent names."""
FAILED_PAUSE: t.Final = 1
"""Seconds after which keys that could not be read are asked for again."""

K = t.TypeVar("K")


class KnownKeys(t.Generic[K]):
    """The keys that Hub publishes. May be used from all threads.

    :param read: asks Hub for its keys
    :param keeps: how many of the keys before a change stay good
    """

    def __init__(
        self, read: t.Callable[[], t.Mapping[str, K]], clock: t.Callable[[], float], *, keeps: int = 0
    ) -> None:
        self._read = read
        self._clock = clock
        self._keeps = keeps
        self._lock = threading.Lock()
        self._keys: dict[str, K] = {}
        self._fruitless_at = float("-inf")
        self._failed = False

    def find(self, name: str) -> K | None:
        """The key of this name; None if Hub has no such key.

        :raises HubUnavailable: the keys could not be read
        """
        known = self._keys.get(name)
        if known is not None:
            return known
        with self._lock:
            if name in self._keys:
                return self._keys[name]
            pause = FAILED_PAUSE if self._failed else KEY_PAUSE
            if not 0 <= self._clock() - self._fruitless_at < pause:
                self._ask(name)
            elif self._failed:
                # Nobody can say whether the token is good, so it must not be called bad.
                raise HubUnavailable("Hub's keys could not be read a moment ago.", retry_after=FAILED_PAUSE)
            return self._keys.get(name)

    def _ask(self, name: str) -> None:
        self._failed = True
        try:
            found = self._read()
            self._failed = False
            former = list(self._keys.items())
            self._keys = {**dict(former[len(former) - self._keeps :]), **found}
        finally:
            if name not in self._keys:
                # After the call, which may have taken long: whoever waited for it must not wait once more.
                self._fruitless_at = self._clock()
