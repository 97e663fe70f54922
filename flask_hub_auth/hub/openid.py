"""What Hub says about itself as an OpenID provider."""

from __future__ import annotations

import time
import typing as t

from ..errors import HubError
from .transport import Transport

PATH: t.Final = "/.well-known/openid-configuration"

PAUSE: t.Final = 60
"""Seconds after which a document that could not be had is asked for again."""


class Discovery:
    """Hub's discovery document (OpenID Connect Discovery 1.0 section 4), read once. For use by several threads."""

    def __init__(self, transport: Transport, *, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._issuer: str | None = None
        self._failed_at: float | None = None

    def issuer(self) -> str | None:
        """Hub's name for itself, which need not be its URL; None where it has no such document, or gives none now."""
        # No lock: it would make all logins wait for one silent Hub. Threads that come here at once each ask.
        if self._issuer is None and (self._failed_at is None or self._clock() - self._failed_at >= PAUSE):
            self._issuer = self._asked()
            self._failed_at = self._clock() if self._issuer is None else None
        return self._issuer

    def _asked(self) -> str | None:
        try:
            answer = self._transport.request("GET", PATH)
            answer.raise_for_status()
            issuer = answer.json().get("issuer")
        except HubError:
            return None
        return issuer if isinstance(issuer, str) and issuer else None
