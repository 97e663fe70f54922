"""Spares a server that keeps failing, and whoever would have to wait for it.

It opens after :data:`FAILURES` failures in a row that lasted for :data:`SHORTEST` seconds: from then on nobody asks,
and everybody is told so at once. Whoever comes may find that it is time to look whether the server is back. A thread
does that, so that nobody waits for a server that hangs. The longer it was away, the rarer are the looks. Where a look
finds it, one caller tries; if that succeeds it closes, and if not the pauses grow: a server can answer a look and
nothing else.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import typing as t
from dataclasses import dataclass, field

log = logging.getLogger("flask_hub_auth")

FAILURES: t.Final = 5
SHORTEST: t.Final = 1.0
"""Seconds of failing that are nothing yet: a server that is restarted is soon back."""
WINDOW: t.Final = 10.0
"""Seconds without a failure after which those before count no more."""
SHARE: t.Final = 0.1
"""What of the time that the server was away may pass between two looks: so much longer it seems to be away."""
LONGEST_PAUSE: t.Final = 1.0
LONGEST_TRIAL_PAUSE: t.Final = 30.0
"""The same for a server that answers looks and nothing else, or that asks for a pause itself."""
GLANCE: t.Final = 0.04
"""Seconds for which whoever begins a look waits for what it finds: of a server that is back, that is enough."""


@dataclass(slots=True)
class _State:
    """What one process knows. Threads change it without a lock: at worst the server is asked once more."""

    failures: int = 0
    since: float = 0.0
    last: float = 0.0
    open: bool = False
    next_look: float = 0.0
    trial: t.Literal["none", "due", "made"] = "none"
    """Whether a look has found it, and somebody may try or does."""
    failed_trials: int = 0
    looking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def slower(self) -> int:
        """By how much the pauses have grown."""
        return 1 << min(self.failed_trials, 5)


class Breaker:
    """The breaker of one server. May be used from all threads; a forked process begins with a closed one.

    :param name: what the log calls the server
    :param look: asks the server for something harmless, and says whether it answers; runs in a thread of its own
    :param clock: seconds; may jump
    """

    def __init__(self, name: str, look: t.Callable[[], bool], clock: t.Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._look = look
        self._clock = clock
        self._states: dict[int, _State] = {}

    def may_ask(self) -> bool:
        """Whether it is worth asking now. Takes :data:`GLANCE` seconds at most."""
        state = self._looked_at()
        return state.trial == "due" or not state.open

    def ask(self) -> bool:
        """Whether the caller may ask, which it does then, and says how it went."""
        state = self._looked_at()
        if not state.open:
            return True
        if state.trial != "due":
            return False
        # Of two threads that come here at once both may try.
        state.trial = "made"
        return True

    def pause(self) -> int:
        """Whole seconds, one or more, after which it is worth asking again."""
        state = self._state()
        return max(1, math.ceil(state.next_look - self._clock())) if state.open else 1

    def _looked_at(self) -> _State:
        state = self._state()
        if state.open and self._is_time(state) and state.looking.acquire(blocking=False):
            looked = threading.Event()
            threading.Thread(target=self._looked, args=(state, looked), name="hub-breaker", daemon=True).start()
            looked.wait(GLANCE)
        return state

    def failed(self, *, pause: float = 0) -> None:
        """Say that the server did not answer, or that it wants to be left alone for so many seconds."""
        state, now = self._state(), self._clock()
        if not state.failures or not 0 <= now - state.last < WINDOW:
            state.failures, state.since = 0, now
        state.failures, state.last = state.failures + 1, now
        # Those who had asked before it opened are no trials.
        if state.open and state.trial == "made":
            state.trial = "none"
            state.failed_trials += 1
            pause = max(pause, LONGEST_PAUSE * state.slower)
        lasts = state.failures >= FAILURES and now - state.since >= SHORTEST
        opens = (pause > 0 or lasts) and not state.open
        if pause or opens:
            state.next_look = now + min(pause, LONGEST_TRIAL_PAUSE)
        if opens:
            state.open = True
            if lasts:
                log.error("%s failed %d times in a row and is not asked until it answers", self._name, state.failures)
            else:
                log.error("%s wants to be left alone and is not asked for %g s", self._name, self.pause())

    def rest(self, seconds: float) -> None:
        """Say that a look has found the server, which wants to be left alone for so many seconds."""
        self._state().next_look = self._clock() + min(seconds, LONGEST_TRIAL_PAUSE)

    def succeeded(self) -> None:
        """Say that the server has answered."""
        state = self._state()
        if state.failures:
            self._close(state)
            state.failures = state.failed_trials = 0

    def try_again(self) -> None:
        """Let everybody ask once more, since there is a sign that the server is back; the next failure ends that."""
        self._close(self._state())

    def _close(self, state: _State) -> None:
        if state.open:
            state.open, state.trial = False, "none"
            log.warning("%s is asked again", self._name)

    def _is_time(self, state: _State) -> bool:
        return not 0 < state.next_look - self._clock() <= LONGEST_TRIAL_PAUSE

    def _looked(self, state: _State, looked: threading.Event) -> None:
        try:
            if self._look():
                state.trial = "due"
        finally:
            now = state.last = self._clock()
            pause = min(SHARE * max(now - state.since, 0), LONGEST_PAUSE) * state.slower
            wanted = state.next_look - now
            # More than the longest was not asked for: the clock went back.
            pause = max(pause, wanted if wanted <= LONGEST_TRIAL_PAUSE else 0)
            state.next_look = now + min(pause, LONGEST_TRIAL_PAUSE)
            state.looking.release()
            looked.set()

    def _state(self) -> _State:
        process = os.getpid()
        if process not in self._states:
            # What was under way when this process was forked off has no thread here that would end it.
            self._states = {process: _State()}
        return self._states[process]
