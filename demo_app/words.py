"""Moments in plain words, as ``<time>`` elements."""

from __future__ import annotations

import time
import typing as t
from datetime import UTC, datetime

from markupsafe import Markup

_UNITS: t.Final = ((172_800, 86_400, "day"), (7_200, 3_600, "hour"), (120, 60, "minute"), (0, 1, "second"))
"""From how many seconds on a unit is used, and how long it is."""


def moment(at: float) -> Markup:
    """How far away it is: "in 42 seconds", "3 minutes ago"."""
    seconds = round(at - time.time())
    return _element(at, _distance(seconds) if seconds else "just now")


def clock_time(at: float) -> Markup:
    """When it is: "14:03:12", in the time zone of this machine."""
    return _element(at, f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}")


def _distance(seconds: int) -> str:
    length, unit = next((length, unit) for least, length, unit in _UNITS if abs(seconds) >= least)
    count = abs(seconds) // length
    words = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"in {words}" if seconds > 0 else f"{words} ago"


def _element(at: float, words: str) -> Markup:
    machine = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Markup('<time datetime="{}">{}</time>').format(machine, words)
