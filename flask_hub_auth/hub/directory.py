"""What Hub and its services say about a person, asked with the person's own token."""

from __future__ import annotations

import logging
import typing as t

from ..config import HUB_ID, HubConfig
from ..errors import HubError, HubUnavailable, TokenRejected
from ..model import HubPermissions, HubUser, Secret
from .rest import HubRest
from .transport import Transport

log = logging.getLogger("flask_hub_auth")


class Directory:
    """Reads people and what they may do. May be used by several threads."""

    def __init__(self, config: HubConfig, transport: Transport) -> None:
        self._config = config
        self._transport = transport
        own = {name: service for name, service in config.services.items() if service.permissions == "own"}
        self._own = {name: transport.to(service.url) for name, service in own.items()}
        others = [service.id for name, service in config.services.items() if name not in own]
        self._kept_by_hub = [HUB_ID, config.service_id, *others]

    def user(self, access_token: Secret) -> HubUser:
        """Who is behind a token. Raises what :meth:`HubRest.me` raises."""
        return HubRest(self._config.url, access_token, transport=self._transport).me(self._config.user_fields)

    def permissions(self, access_token: Secret) -> HubPermissions:
        """What the person may do, over Hub, this service and all of ``HUB_SERVICES``; what cannot be read is denied.

        :raises TokenRejected: Hub does not take the token
        :raises HubUnavailable: nobody could be asked
        """
        hub = HubRest(self._config.url, access_token, transport=self._transport)
        ask: dict[str, t.Callable[[], HubPermissions]] = {"Hub": lambda: hub.permissions(self._kept_by_hub)}
        for name, transport in self._own.items():
            ask[name] = HubRest(transport.hub_url, access_token, transport=transport).own_permissions
        held, away = HubPermissions(), list[HubUnavailable]()
        for name, read in ask.items():
            try:
                held |= read()
            except HubUnavailable as failure:
                away.append(failure)
            except HubError as failure:
                if name == "Hub" and isinstance(failure, TokenRejected):
                    raise
                log.warning("permissions could not be read, and are denied: service=%s: %s", name, failure)
        if len(away) == len(ask):
            raise away[0]
        return held
