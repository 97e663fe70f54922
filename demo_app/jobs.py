"""A job in the background: a thread that acts as somebody for a while, by a ticket of theirs."""

from __future__ import annotations

import threading
import time
import typing as t
from collections import OrderedDict
from dataclasses import dataclass, field

from flask import Flask

from flask_hub_auth import HubError, HubUnavailable, LoginRequired

MOST_PEOPLE: t.Final = 500


@dataclass(slots=True)
class Job:
    """What a job has found so far, as moments and words. `ended`: why it looks no more."""

    found: list[tuple[float, str]] = field(default_factory=list)
    ended: str | None = None


class Jobs:
    """The last job of each person. May be used from all threads.

    :param look: what a job does again and again with its ticket; it answers with what it found, in words
    :param times: how often it looks at most, `pause` seconds apart
    """

    def __init__(self, look: t.Callable[[str], str], *, times: int = 24, pause: float = 5) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self.times = times
        self.pause = pause

    def of(self, user_id: str) -> Job | None:
        """The last job of a person, if there was one since the start."""
        return self._jobs.get(user_id)

    def start(self, app: Flask, user_id: str, ticket: str) -> None:
        """Begin a job for this person, unless one is at it."""
        with self._lock:
            last = self._jobs.get(user_id)
            if last is not None and last.ended is None:
                return
            job = self._jobs[user_id] = Job()
            self._jobs.move_to_end(user_id)
            if len(self._jobs) > MOST_PEOPLE:
                self._jobs.popitem(last=False)
        # The ticket is as secret as the login itself: only the thread has it.
        threading.Thread(target=self._run, args=(app, job, ticket), name="job", daemon=True).start()

    def _run(self, app: Flask, job: Job, ticket: str) -> None:
        ended = "It failed. The log says why."
        try:
            with app.app_context():
                ended = self._looked(job, ticket)
        finally:
            job.ended = ended

    def _looked(self, job: Job, ticket: str) -> str:
        """Look as often as is allowed, and say why no more."""
        for _ in range(self.times):
            try:
                words = self._look(ticket)
            except LoginRequired:
                return "It stopped: the login that gave it the ticket is over."
            except HubUnavailable:
                words = "Nobody answers now. It goes on trying."
            except HubError:
                return "It stopped: Hub refused it."
            job.found.append((time.time(), words))
            time.sleep(self.pause)
        return "It is done."
