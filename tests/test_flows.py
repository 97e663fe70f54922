from __future__ import annotations

import re

import pytest

from demo_app.app import create_app
from flask_hub_auth.testing.hub import HubInMemory

from .flows import DOCUMENT, FLOWS, ROOT, Flow, document


def test_the_document_shows_what_goes_over_the_wire_today() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m tests.flows --write brings it up to date"


def test_the_document_shows_no_token_whole() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    # A long word of letters and digits is random: a token, a code, a verifier, a signature.
    words = re.findall(r"[A-Za-z0-9]{24,}", text)
    assert [word for word in words if re.search(r"\d", word)] == []


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.title)
def test_every_flow_has_its_test_and_its_page(flow: Flow, dev_hub: HubInMemory) -> None:
    file, name = flow.test.split("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
    app = create_app({"SECRET_KEY": "k" * 32, "HUB_CACHE": "memory://", "TESTING": True, **dev_hub.settings})
    assert flow.page.strip("`") in {rule.rule for rule in app.url_map.iter_rules()}
