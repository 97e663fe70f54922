"""What the tests of several folders need."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from flask_hub_auth.testing.hub import HubInMemory

    from .visiting import Visitor


@pytest.fixture
def make_site(dev_hub: HubInMemory) -> Callable[..., Flask]:
    """Makes an application for the dev Hub with these settings."""
    from .visiting import site

    return lambda **settings: site(dev_hub, **settings)


@pytest.fixture
def visit(dev_hub: HubInMemory) -> Callable[[Flask], Visitor]:
    """Makes a browser for an application and the dev Hub."""
    from .visiting import Visitor

    return lambda app: Visitor(app, dev_hub)


@pytest.fixture
def visitor(make_site: Callable[..., Flask], visit: Callable[[Flask], Visitor]) -> Visitor:
    """A browser for an application with the usual settings."""
    return visit(make_site())
