"""The other services: whether they are there, and who keeps their permissions."""

from __future__ import annotations

import re
import typing as t
from functools import partial

from ..config import HUB_ID, HubService
from ..errors import HubError, HubProtocolError, HubUnavailable
from ..hub.rest import read_permissions
from ..model import Secret
from .address import CONFIG_PATH
from .findings import Finding, found
from .ground import Ground

PATH: t.Final = "/api/rest/permissions/cache"
KEEPS_THEM_ITSELF: t.Final = (2026, 1)
"""The YouTrack from which on Hub no longer serves its permissions."""
_NONE: t.Final = (0, 0)


def served_by_hub(ground: Ground, token: Secret | None, *, needed: bool) -> bool:
    """Whether Hub serves permissions at all; raises what Hub answers that it always answers with.

    :param needed: whether the application asks for a permission
    """
    asked = {"fields": "permission/key,global,projects(id)", "query": f"service:{{{HUB_ID}}}"}
    answer = ground.way().request("GET", PATH, params=asked, bearer=token)
    if answer.status == 404:
        return False
    # Hub may not want to say anything to nobody, and nothing to a service. A token that it has just given it knows.
    if answer.status == 403 or (answer.status == 401 and not (token and needed)):
        return True
    if answer.status == 401:
        raise HubProtocolError(f"{PATH} refuses the token that Hub has just given (HTTP 401).")
    answer.raise_for_status()
    read_permissions(answer)
    return True


def look_at_services(ground: Ground, unknown: t.Collection[str], *, by_hub: bool, needed: bool) -> list[Finding]:
    """What is wrong with ``HUB_SERVICES``; those whose id is unknown are left out.

    :param by_hub: whether Hub serves permissions
    :param needed: whether the application asks for a permission
    """
    services = {name: each for name, each in ground.config.services.items() if each.id not in unknown}
    left_to_hub = [name for name, each in services.items() if each.permissions == "hub"]
    if not by_hub and (left_to_hub or (needed and not services)):
        names = ", ".join(left_to_hub) or "any service"
        return [found("permissions-elsewhere", f"Hub does not serve permissions, and is to be asked about: {names}.")]
    answers = ground.budget.all_of({name: partial(_look, ground, each) for name, each in services.items()})
    findings = [found("service-away", f"{name}: {why}") for name, why in answers.items() if isinstance(why, str)]
    versions = {name: version for name, version in answers.items() if not isinstance(version, str)}
    own = [name for name in left_to_hub if versions.get(name, _NONE) >= KEEPS_THEM_ITSELF]
    if own:
        seen = f"From YouTrack 2026.1 on it keeps its permissions itself: {', '.join(own)}."
        findings.append(found("permissions-elsewhere", seen))
    return findings


def _look(ground: Ground, service: HubService) -> tuple[int, int] | str:
    """The version of a YouTrack, `_NONE` of anything else that answers, or why there was no answer."""
    try:
        version = ground.way(service.url).look(CONFIG_PATH).json().get("version")
    except HubUnavailable as error:
        return str(error).replace("Hub at ", "", 1)
    except HubError:
        return _NONE
    parts = re.match(r"(\d{1,6})\.(\d{1,6})", version) if isinstance(version, str) else None
    return (int(parts[1]), int(parts[2])) if parts else _NONE
