"""Two workers and a Hub that rotates, started once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Hub, Workers


def running(folder: Path, *options: str, **environ: str) -> Iterator[tuple[Workers, Hub]]:
    workers = Workers(folder)
    try:
        hub = Hub(folder, workers.url, "--rotate", "--token-life", "3600")
        try:
            workers.start(hub, *options, **environ)
            yield workers, hub
        finally:
            hub.stop()
    finally:
        workers.close()


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workers, Hub]]:
    yield from running(tmp_path_factory.mktemp("workers"))


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workers, Hub]]:
    """The application is imported, and used, before the workers are forked off."""
    yield from running(tmp_path_factory.mktemp("preloaded"), "--preload", WORKERS_USE_BEFORE_FORK="1")


@pytest.fixture(params=["plain", "preloaded"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Workers, Hub]]:
    """The service in both ways of starting it; its logs are shown where a test fails."""
    workers, hub = request.getfixturevalue(request.param)
    hub.mend()
    yield workers, hub
    for process in (workers.process, hub.process):
        print(process and f"--- {process.name}\n{process.tail()}")


@pytest.fixture
def workers(both: tuple[Workers, Hub]) -> Workers:
    return both[0]


@pytest.fixture
def hub(both: tuple[Workers, Hub]) -> Hub:
    return both[1]
