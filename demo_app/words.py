"""Plain words: for moments, as ``<time>`` elements, and for what a guard asks for."""

from __future__ import annotations

import time
import typing as t
from datetime import UTC, datetime

from markupsafe import Markup

_UNITS: t.Final = ((172_800, 86_400, "day"), (7_200, 3_600, "hour"), (120, 60, "minute"), (0, 1, "second"))
"""From how many seconds on a unit is used, and how long it is."""

PERMISSIONS: t.Final = {"jetbrains.jetpass.user-read": "Read User"}
"""What Hub's own pages call the permissions that a guard of the demo asks for."""


def needed(names: t.Sequence[str]) -> str:
    """What a guard asked for: "the permission Read User", "the group Developers"."""
    if names[0] in PERMISSIONS:
        return f"the permission {PERMISSIONS[names[0]]}"
    return f"the group {' or '.join(names)}"


def moment(at: float) -> Markup:
    """How far away it is: "in 42 seconds", "3 minutes ago"."""
    seconds = round(at - time.time())
    if not seconds:
        return _element(at, "just now")
    return _element(at, f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago")


def clock_time(at: float) -> Markup:
    """When it is: "14:03:12", in the time zone of this machine."""
    return _element(at, f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}")


def duration(seconds: float) -> str:
    """How long it is: "9 seconds", "24 hours"."""
    length, unit = next((length, unit) for least, length, unit in _UNITS if seconds >= least)
    count = round(seconds / length)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _element(at: float, words: str) -> Markup:
    machine = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Markup('<time datetime="{}">{}</time>').format(machine, words)
