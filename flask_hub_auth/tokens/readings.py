"""What several places say of what a person may do, put together: a place that is silent takes nothing back."""

from __future__ import annotations

import typing as t
from functools import reduce

from ..errors import HubError, HubRefused, HubUnavailable
from ..model import HubPermissions, Reading, Readings
from .times import age

Said = t.Mapping[str, HubPermissions | HubError]
"""What each place says that a person may do, or why it says nothing (``Directory.permissions``)."""
AGAIN: t.Final = 10
"""Seconds after which the places are asked again when one of them was silent."""


def are_due(known: Readings | None, asked_at: float, now: float, ttl: float) -> bool:
    """Whether the places are to be asked, which were asked last at `asked_at`."""
    return known is None or age(asked_at, now) >= (ttl if known.whole else min(ttl, AGAIN))


def after(known: Readings | None, said: Said, now: int) -> Readings:
    """What is known once the places have said this. Of one that is silent what it said before stays known."""
    before = known.by_place if known else {}
    now_known = {place: _reading(answer, before.get(place), now) for place, answer in said.items()}
    whole = all(isinstance(answer, HubPermissions | HubRefused) for answer in said.values())
    return Readings({place: reading for place, reading in now_known.items() if reading}, whole)


def _reading(answer: HubPermissions | HubError, before: Reading | None, now: int) -> Reading | None:
    if isinstance(answer, HubPermissions):
        return Reading(answer, now)
    if isinstance(answer, HubUnavailable):
        return before
    if before and before.held.granted and not isinstance(answer, HubRefused):
        return before
    # It says no, or has never said anything else than this nonsense: what cannot be read is denied.
    return Reading(HubPermissions(), now)


def young(known: Readings | None, now: float, longest: float) -> list[HubPermissions]:
    """What those places said that are known at most so many seconds."""
    readings = known.by_place.values() if known else ()
    return [reading.held for reading in readings if age(reading.at, now) < longest]


def decided(told: t.Sequence[HubPermissions]) -> HubPermissions:
    """What is held by what any of the places told; :class:`HubUnavailable` where none did."""
    if not told:
        raise HubUnavailable("What a person may do could not be read.")
    return reduce(HubPermissions.__or__, told)
