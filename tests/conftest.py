"""What the tests of several folders need."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
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


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that tells ``flask`` of the commands, as the installed package does."""
    folder = tmp_path_factory.mktemp("installed")
    about = folder / "flask_hub_auth-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: flask_hub_auth\nVersion: 0\n")
    points = re.search(
        r"flask\.commands =\n(.*?)\n\S", (Path(__file__).parents[1] / "setup.cfg").read_text(), re.DOTALL
    )
    assert points
    found = "\n".join(line for line in points[1].splitlines() if "cli" in line)
    (about / "entry_points.txt").write_text(f"[flask.commands]\n{found.strip()}\n")
    return folder
