"""What a person may do, by groups and permissions: read when somebody asks, kept, and read again in time."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from ..errors import HubError, HubUnavailable, LoginRequired
from ..model import HubPermissions, Login, Secret
from .keeper import TokenKeeper
from .readings import Said, after, are_due, decided, young
from .times import is_reading_due, knows_groups


class PermissionKeeper:
    """Keeps the permissions of logins. May be used from all threads.

    :param read: asks Hub and its services with an access token (``Directory.permissions``)
    """

    def __init__(
        self,
        keeper: TokenKeeper,
        read: t.Callable[[Secret], Said],
        *,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._keeper = keeper
        self._read = read
        self._clock = clock

    def of(self, handle: bytes) -> HubPermissions:
        """The permissions of the person behind `handle`, at most ``HUB_USER_TTL`` old while Hub answers.

        :raises LoginRequired: the login is over
        :raises HubUnavailable: Hub could not be asked, and what is known is too old to decide by, or there is nothing
        """
        login = self._living(handle)
        if self._is_due(login):
            login = self._read_by_one(handle, login)
        return decided(self._known(login))

    def with_groups(self, handle: bytes, login: Login) -> Login | None:
        """The login with groups young enough to decide by, waiting for whoever reads them; None if it is over.

        :raises HubUnavailable: Hub could not be asked, and what is known is too old
        """
        keeper, now = self._keeper, self._clock
        if not knows_groups(login, now(), keeper.config):
            with keeper.renewing(handle, login, keeper.config.timeout + 4) as mine:
                again = keeper.living(handle)
                if mine and again is not None and is_reading_due(again, now(), keeper.config):
                    again = keeper.read_again(handle, again)
            if again is None:
                return None
            login = again
        if not knows_groups(login, now(), keeper.config):
            raise HubUnavailable("The groups of a person could not be read again, and are too old to decide by.")
        return login

    def _read_by_one(self, handle: bytes, login: Login) -> Login:
        # Who knows nothing, or nothing to decide by, waits for whoever is at it; the others go on with what they know.
        wait = 0 if self._known(login) else self._keeper.config.timeout + 4
        with self._keeper.renewing(handle, login, wait) as mine:
            again = self._living(handle)
            if not mine or not self._is_due(again):
                return again
            try:
                found = self._keeper.asked(handle, again, self._read)
            except HubError as failure:
                return self._keeper.failed(handle, again, failure) or again
            if found is None:
                raise LoginRequired("The login is over.")
            now, said = int(self._clock()), found[1]

            def told(login: Login) -> Login:
                return replace(login, permissions=after(login.permissions, said, now), permissions_at=now)

            kept = self._keeper.changed(handle, found[0], told)
            if kept is None:
                raise LoginRequired("The login is over.")
            return kept

    def _living(self, handle: bytes) -> Login:
        login = self._keeper.living(handle)
        if login is None:
            raise LoginRequired("The login is over.")
        return login

    def _is_due(self, login: Login) -> bool:
        at, ttl = login.permissions_at, self._keeper.config.user_ttl
        return not self._known(login) or are_due(login.permissions, at, self._clock(), ttl)

    def _known(self, login: Login) -> list[HubPermissions]:
        config = self._keeper.config
        return young(login.permissions, self._clock(), config.user_ttl + config.outage_grace)
