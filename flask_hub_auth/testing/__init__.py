"""For people who test their applications: a Hub, a browser and a clock, all in memory.

The fixtures of :mod:`.plugin` come with the package; pytest finds them by itself. Here are their types, for tests that
name them: `HubInMemory` is ``dev_hub``, ``hub_browser(app)`` gives a `Browser`, and ``hub_clock`` is a `Clock`.
"""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from .browser import Browser
    from .hub import HubInMemory
    from .plugin import Clock

_MODULES: t.Final = {"Browser": "browser", "Clock": "plugin", "HubInMemory": "hub"}

__all__ = ["Browser", "Clock", "HubInMemory"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> t.Any:
    # Loaded when they are used: pytest imports this package for its plugin in every run, also where nobody uses it.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
