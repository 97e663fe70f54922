"""The doctor's time: everything is told within it, whatever hangs."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t
from dataclasses import dataclass

T = t.TypeVar("T")

WHOLE: t.Final = 12.5
"""From the beginning to the last answer. Python takes its own time before and after."""
LOADING: t.Final = 7.0
"""Of the application."""
ASKING: t.Final = 9.0
"""Of all there is to ask, where loading has left that much."""
ONE_CALL: t.Final = 4.0
"""Of one call at most, however long ``HUB_TIMEOUT`` is: two in a row fit."""
MARGIN: t.Final = 0.3
"""By which a call is over before whoever waits for it, and a part before the whole: what was seen is to be told."""


@contextlib.contextmanager
def alarm(seconds: float, ring: t.Callable[[], object]) -> t.Iterator[None]:
    """Calls `ring` in another thread if the block has not come to an end by then."""
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class TimeIsOver(Exception):
    """There was no time left to ask, or to hear all answers."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When everything must be known, of `time.monotonic`."""

    until: float

    @classmethod
    def begun_now(cls, seconds: float = WHOLE) -> Budget:
        """The whole time, from now on."""
        return cls(time.monotonic() + seconds)

    def at_most(self, seconds: float) -> Budget:
        """No more than so many of those that are left."""
        return Budget(min(self.until, time.monotonic() + seconds))

    def with_margin(self) -> Budget:
        """For who waits for those that have this one."""
        return Budget(self.until + MARGIN)

    def for_call(self, most: float = ONE_CALL) -> float:
        """Seconds that one call may take. :class:`TimeIsOver` where there are none left."""
        left = self.until - time.monotonic() - MARGIN
        if left <= 0:
            raise TimeIsOver
        return min(most, ONE_CALL, left)

    def together(self, tasks: t.Mapping[str, t.Callable[[], T]]) -> dict[str, T]:
        """What all `tasks` give that come to an end in time, each in a thread of its own, in the order given."""
        done: dict[str, T] = {}

        def run(name: str, task: t.Callable[[], T]) -> None:
            with contextlib.suppress(TimeIsOver):
                done[name] = task()

        # Daemons: what hangs for ever must not keep the process from ending.
        threads = [threading.Thread(target=run, args=each, daemon=True) for each in tasks.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(self.until - time.monotonic(), 0))
        return {name: done[name] for name in tasks if name in done}

    def all_of(self, tasks: t.Mapping[str, t.Callable[[], T]]) -> dict[str, T]:
        """What all `tasks` give. :class:`TimeIsOver` where one of them does not in time."""
        done = self.together(tasks)
        if len(done) < len(tasks):
            raise TimeIsOver
        return done
