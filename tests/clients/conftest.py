"""Clients that others have written, from npm, and a dev Hub on loopback for them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flask_hub_auth.devhub import DevHub, Served, serve

FOLDER = Path(__file__).parent
VENVS = FOLDER.parents[1] / ".venvs"
INSTALLED = ("package.json", "package-lock.json", ".npmrc")

# Fetching takes seconds, and a machine that is busy or far from the registry more.
INSTALL_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == FOLDER.name:
            item.add_marker(pytest.mark.timeout(INSTALL_SECONDS + 60))


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of package-lock.json: fetched once, into the folder that ``make clean`` empties."""
    if not shutil.which("npm"):
        pytest.fail("There is no npm on this machine. On Debian: apt-get install nodejs npm")
    files = [FOLDER / name for name in INSTALLED]
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    place = VENVS / f"npm-{wanted}"
    if not place.exists():
        # Under another name until all is there: a run that was stopped leaves nothing that looks whole.
        unfinished = VENVS / f"npm-{wanted}.{os.getpid()}"
        unfinished.mkdir(parents=True)
        for file in files:
            shutil.copy(file, unfinished)
        npm = ["npm", "ci", "--ignore-scripts"]
        done = subprocess.run(npm, cwd=unfinished, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if done.returncode:
            shutil.rmtree(unfinished)
            pytest.fail(f"npm could not fetch the packages. Is there a network? Its own words:\n{done.stderr}")
        if not place.exists():
            unfinished.rename(place)
    return place / "node_modules"


@pytest.fixture(scope="session")
def bundle(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes one script of a file of this folder and of what it imports, with esbuild."""

    def bundle(name: str, *options: str) -> Path:
        bundled = tmp_path_factory.mktemp("bundle") / name
        esbuild = [str(node_modules / "esbuild" / "bin" / "esbuild"), str(FOLDER / name), "--bundle"]
        environment = os.environ | {"NODE_PATH": str(node_modules)}
        subprocess.run(
            [*esbuild, *options, f"--outfile={bundled}", "--log-level=warning"], env=environment, check=True, timeout=60
        )
        return bundled

    return bundle


@pytest.fixture
def served() -> Iterator[Served]:
    """A dev Hub on a port of its own."""
    with serve(DevHub()) as served:
        yield served
