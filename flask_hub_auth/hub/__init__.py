"""Talking to Hub. Nothing here needs Flask: scripts, workers and cron jobs use it as it is."""

from .oauth import HubOAuth
from .rest import HubRest
from .transport import Transport

__all__ = ["HubOAuth", "HubRest", "Transport"]
