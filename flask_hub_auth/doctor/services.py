"""The other services: whether they are there, and who keeps their permissions."""

from __future__ import annotations

import re
import typing as t
from functools import partial

from ..config import HUB_ID, HubService
from ..errors import HubError, HubUnavailable
from ..model import Secret
from .address import CONFIG_PATH
from .findings import Finding, found
from .ground import Ground

KEEPS_THEM_ITSELF: t.Final = (2026, 1)
"""The YouTrack from which on Hub no longer serves its permissions."""
_NONE: t.Final = (0, 0)


def served_by_hub(ground: Ground, token: Secret | None) -> bool:
    """Whether Hub serves permissions at all."""
    asked = {"fields": "permission/key", "query": f"service:{{{HUB_ID}}}"}
    answer = ground.way().request("GET", "/api/rest/permissions/cache", params=asked, bearer=token)
    if 400 <= answer.status < 500 and answer.status != 429:
        # Without a person's token Hub may not want to say anything.
        return answer.status != 404
    answer.raise_for_status()
    answer.items()
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
