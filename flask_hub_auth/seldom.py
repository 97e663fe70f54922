"""Keeps what fails with every request from filling the log."""

from __future__ import annotations

import time
import typing as t

SECONDS: t.Final = 10


class Seldom:
    """True at most once in :data:`SECONDS`. May be asked from all threads: at worst two of them hear it."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self) -> bool:
        due = time.monotonic() - self._last >= SECONDS
        self._last = time.monotonic() if due else self._last
        return due
