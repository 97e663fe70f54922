"""What happened. The sender is always the application."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

hub_logged_in = _signals.signal("hub-logged-in")
"""Somebody signs in (`user`). A receiver that raises ``AccessDenied`` refuses the login before anything is kept.

What a receiver puts into ``session`` is lost where somebody else was signed in before: it is cleared after that.
"""

hub_logged_out = _signals.signal("hub-logged-out")
"""A login is over (`user_id`, `reason`: ``logout``, ``ended``, ``expired``, ``revoked`` or ``banned``)."""

hub_login_failed = _signals.signal("hub-login-failed")
"""A login that came back from Hub was not completed (`code`, such as ``HUB-110``)."""

hub_token_refreshed = _signals.signal("hub-token-refreshed")
"""The token of a login was renewed (`user_id`)."""

hub_access_denied = _signals.signal("hub-access-denied")
"""A guard refused somebody who is signed in (`user`, `needed`)."""
