from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_hub_auth.devhub.seed import YOUTRACK_ID

from .conftest import Visitor

CONFIG = "https://hub.test/api/config?fields=ring(url,serviceId),mobile(serviceSecret,serviceId),version"


@pytest.mark.parametrize(("way", "url"), [("relative", "/hub"), ("absolute", "https://hub.test/hub")])
def test_a_youtrack_says_where_its_hub_is(make_visitor: Callable[..., Visitor], way: str, url: str) -> None:
    visitor = make_visitor(youtrack=way)
    config: dict[str, Any] = visitor.get(CONFIG).get_json()
    assert config["ring"] == {"url": url, "serviceId": YOUTRACK_ID}
    assert config["mobile"]["serviceId"] == YOUTRACK_ID
    assert config["version"]
    assert visitor.get("https://hub.test/api/config?fields=ring(url)").get_json() == {"ring": {"url": url}}
    assert visitor.get("https://hub.test/api/config?fields=(").status_code == 400
    assert visitor.get("https://hub.test/api/rest/users/me").status_code == 404


def test_without_a_youtrack_there_is_nothing(visitor: Visitor) -> None:
    assert visitor.get(CONFIG).status_code == 404
