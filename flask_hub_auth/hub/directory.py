"""What Hub and its services say about a person, asked with the person's own token."""

from __future__ import annotations

import logging
import typing as t

from ..config import HUB_ID, HubConfig
from ..errors import HubError, HubUnavailable, TokenRejected
from ..model import HubPermissions, HubUser, Secret
from ..seldom import Seldom
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
        self._may_complain = Seldom()
        self._kept_by_hub = [HUB_ID, config.service_id, *others]

    def user(self, access_token: Secret) -> HubUser:
        """Who is behind a token. Raises what :meth:`HubRest.me` raises."""
        return HubRest(self._config.url, access_token, transport=self._transport).me(self._config.user_fields)

    def permissions(self, access_token: Secret) -> dict[str, HubPermissions | HubError]:
        """What Hub says that the person may do, for itself, this service and those of ``HUB_SERVICES`` that leave it to
        Hub, and what each of the others says; or why it says nothing.

        :raises TokenRejected: Hub does not take the token
        :raises HubUnavailable: nobody could be asked
        """
        hub = HubRest(self._config.url, access_token, transport=self._transport)
        ask: dict[str, t.Callable[[], HubPermissions]] = {"Hub": lambda: hub.permissions(self._kept_by_hub)}
        for name, transport in self._own.items():
            ask[f"service {name}"] = HubRest(transport.hub_url, access_token, transport=transport).own_permissions
        said: dict[str, HubPermissions | HubError] = {}
        for place, read in ask.items():
            try:
                said[place] = read()
            except HubError as failure:
                if place == "Hub" and isinstance(failure, TokenRejected):
                    raise
                said[place] = failure
                if self._may_complain():
                    log.warning("permissions could not be read: of=%s: %s", place, failure)
        failures = [each for each in said.values() if isinstance(each, HubUnavailable)]
        if len(failures) == len(ask):
            raise failures[0]
        return said
