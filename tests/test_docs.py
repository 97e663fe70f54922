"""What the documents say beside what the code does."""

from __future__ import annotations

import re
from dataclasses import MISSING
from pathlib import Path

from flask_hub_auth.config import SETTINGS

DOCS = Path(__file__).parents[1] / "docs"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def test_the_page_of_settings_has_each_of_them_once_with_its_default() -> None:
    rows = ROW.findall((DOCS / "settings.md").read_text())
    assert sorted(name for name, _, _ in rows) == sorted(SETTINGS)
    for name, default, _ in rows:
        setting = SETTINGS[name]
        if setting.default is MISSING:
            assert default == "required"
        elif setting.default is not None:
            assert default.strip("`") == str(setting.default), name
