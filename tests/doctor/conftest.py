"""One dev Hub for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .clinic import Clinic


@pytest.fixture(scope="session")
def _opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    from .clinic import Clinic

    clinic = Clinic(tmp_path_factory.mktemp("clinic"))
    yield clinic
    clinic.hub.stop()


@pytest.fixture
def clinic(_opened: Clinic) -> Iterator[Clinic]:
    """The clinic, with a Hub that is well."""
    _opened.heal()
    yield _opened
    _opened.hub.process.thaw()
