"""What the tests of several folders need."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask
    from playwright.sync_api import Browser

    from flask_hub_auth.testing.hub import HubInMemory

    from .visiting import Visitor

HERE = Path(__file__).parent
ALONE = (
    "browser",
    "clients",
    "faults",
    "demo/test_in_chromium.py",
    "demo/test_main.py",
    "devhub/test_in_a_browser.py",
    "doctor/test_lasting_faults.py",
    "doctor/test_setups.py",
    "doctor/test_the_process.py",
    "tokens/test_many.py",
    "tokens/test_redis_away.py",
    "tokens/test_redis_locks.py",
    "tokens/test_redis_store.py",
    "web/test_broken_records.py",
    "workers",
    "test_redis_servers.py",
    "test_benchmarks.py",
)
"""What drives a browser or clients of others, or breaks processes and servers on purpose: it takes minutes."""
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.path.relative_to(HERE).as_posix().startswith(ALONE):
        item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def chromium_here() -> dict[str, object]:
    """What Playwright has to know of the Chromium of this machine."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.fail("There is no Chromium on this machine. On Debian: apt-get install chromium")
    return {"executable_path": path, "args": [*QUIET.split(), "--no-first-run", "--disable-quic"]}


@pytest.fixture(scope="module")
def launch(chromium_here: dict[str, object]) -> Iterator[Callable[..., Browser]]:
    """Starts it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browsers = []

        def launch(**options: object) -> Browser:
            browsers.append(playwright.chromium.launch(**chromium_here, **options))  # type: ignore[arg-type]
            return browsers[-1]

        yield launch
        for browser in browsers:
            browser.close()


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
