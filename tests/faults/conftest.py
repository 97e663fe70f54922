"""A house for each file of this folder and each kind of store, started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .house import LONG, House, Kind
from .load import Say

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(3600 if LONG else 120))


@pytest.fixture(scope="module", params=["files", "redis"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Where the logins are kept."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def started(kind: Kind, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house of a file, with what the file says in `HOUSE`."""
    with House(tmp_path_factory.mktemp(kind), kind, **getattr(request.module, "HOUSE", {})) as house:
        yield house


@pytest.fixture
def house(started: House) -> Iterator[House]:
    """The house, well at the beginning and at the end; where a test fails its logs are shown."""
    started.mend()
    started.hub.order("rotate")
    yield started
    print(started.told())
    started.mend()
    started.workers.until_all_answer()


@pytest.fixture
def say(record_property: pytest.RecordProperty, request: pytest.FixtureRequest) -> Say:
    """Notes a figure, for whoever reads the report or runs with ``-s``."""

    def noted(words: str) -> None:
        record_property("figures", words)
        print(f"\n{request.node.name}: {words}")

    return noted
