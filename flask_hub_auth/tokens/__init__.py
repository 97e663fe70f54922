"""Keeping tokens: where a login is kept, and who decides when its token is renewed. No Flask."""

from .keeper import TokenKeeper
from .logins import LoginStore
from .store import open_store

__all__ = ["LoginStore", "TokenKeeper", "open_store"]
