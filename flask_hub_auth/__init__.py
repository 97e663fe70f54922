"""Login with JetBrains Hub for Flask."""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from .config import HubConfig
    from .errors import (
        AccessDenied,
        HubConfigError,
        HubError,
        HubProtocolError,
        HubRefused,
        HubUnavailable,
        LoginFailed,
        LoginRequired,
        StepUpRequired,
        StoreUnavailable,
        TokenRejected,
    )
    from .extension import HubAuth
    from .model import HubPermissions, HubSession, HubToken, HubUser
    from .web.guards import (
        hub_bearer_required,
        hub_group_required,
        hub_login_optional,
        hub_login_required,
        hub_permission_required,
        hub_public,
    )
    from .web.identity import current_hub_permissions, current_hub_token, current_hub_user
    from .web.signals import hub_access_denied, hub_logged_in, hub_logged_out, hub_login_failed, hub_token_refreshed

_PLACES: t.Final = {
    "config": ["HubConfig"],
    "errors": [
        "AccessDenied",
        "HubConfigError",
        "HubError",
        "HubProtocolError",
        "HubRefused",
        "HubUnavailable",
        "LoginFailed",
        "LoginRequired",
        "StepUpRequired",
        "StoreUnavailable",
        "TokenRejected",
    ],
    "extension": ["HubAuth"],
    "model": ["HubPermissions", "HubSession", "HubToken", "HubUser"],
    "web.guards": [
        "hub_bearer_required",
        "hub_group_required",
        "hub_login_optional",
        "hub_login_required",
        "hub_permission_required",
        "hub_public",
    ],
    "web.identity": ["current_hub_permissions", "current_hub_token", "current_hub_user"],
    "web.signals": [
        "hub_access_denied",
        "hub_logged_in",
        "hub_logged_out",
        "hub_login_failed",
        "hub_token_refreshed",
    ],
}
_MODULES: t.Final = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "AccessDenied",
    "HubAuth",
    "HubConfig",
    "HubConfigError",
    "HubError",
    "HubPermissions",
    "HubProtocolError",
    "HubRefused",
    "HubSession",
    "HubToken",
    "HubUnavailable",
    "HubUser",
    "LoginFailed",
    "LoginRequired",
    "StepUpRequired",
    "StoreUnavailable",
    "TokenRejected",
    "current_hub_permissions",
    "current_hub_token",
    "current_hub_user",
    "hub_access_denied",
    "hub_bearer_required",
    "hub_group_required",
    "hub_logged_in",
    "hub_logged_out",
    "hub_login_failed",
    "hub_login_optional",
    "hub_login_required",
    "hub_permission_required",
    "hub_public",
    "hub_token_refreshed",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> t.Any:
    # The names are loaded when they are used: pytest imports this package for its plugin in every run, also where
    # nobody uses it, and scripts without Flask import only the floors below.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value
