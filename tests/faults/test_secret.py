"""The service secret is changed at Hub while people work, and some time later in the file that the workers read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..workers.harness import TOKEN_PATH
from .house import LIFE, House, size
from .load import Load, Say, statuses

OLD = "eAUyKgVfhSbV"
ROUNDS = size(2, 20)

pytestmark = pytest.mark.parametrize("kind", size(["files"], ["files", "redis"]), indirect=True, scope="module")


@pytest.fixture
def secret_file(house: House, tmp_path: Path) -> Iterator[Path]:
    """The file with the secret; the workers know it by nothing else."""
    path = tmp_path / "secret"
    path.write_text(OLD)
    by_file = {"FLASK_HUB_SERVICE_SECRET": "", "FLASK_HUB_SERVICE_SECRET_FILE": str(path)}
    house.workers.stop()
    house.workers.start(house.hub, **house.environ, **by_file)
    yield path
    house.hub.order(f"secret {OLD}")
    house.workers.stop()
    house.workers.start(house.hub, **house.environ)


@pytest.mark.parametrize("refusal", ["invalid_grant", "invalid_client"])
def test_a_secret_that_is_changed_at_hub_signs_nobody_out(
    house: House, secret_file: Path, say: Say, refusal: str
) -> None:
    """R17: in both ways in which a Hub may say it."""
    people = house.sign_in(8)
    asks = [(path, person) for path in ("/page", "/who") for person in people]
    for number in range(ROUNDS):
        with Load(house, asks) as load:
            calm = load.run(0.3)
            house.hub.order(f"secret new{number}")
            if refusal == "invalid_client":
                house.hub.fail(TOKEN_PATH, status=401, body='{"error": "invalid_client"}')
            house.workers.time.advance(LIFE + 1)
            wrong = load.run(1)
            secret_file.write_text(f"new{number}\n")
            house.hub.mend()
            back = time.monotonic()
            for person in people:
                wanted = "/who", person, 200
                load.until(lambda s, w=wanted, b=back: (s.path, s.person, s.status) == w and s.began > b)
            good = time.monotonic()
            load.run(0.3)
        say(f"{statuses(load.samples())}; good {good - back:.2f} s after the file had the new secret")
        assert set(statuses(load.samples(until=calm[1]))) == {200}
        assert set(statuses(load.samples("/page"))) == {200}, "the time of grace runs"
        assert set(statuses(load.samples("/who", since=wrong[0] + 0.2, until=wrong[1]))) == {503}
        assert set(statuses(load.samples(since=good))) == {200}
        assert good - back < 3
        for person in people:
            assert house.get(person.browser, "/who").json()["login"] == person.login
