"""A dev Hub as a process, an application that is set up for it, and the command that looks at both."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from flask_hub_auth.cli import hub as command
from flask_hub_auth.devhub import HUB_ID

from ..workers.harness import ANSWER_SECONDS, Hub
from .patient import plain

SERVICE_ID = "98071167-004c-4ddf-ba37-5d4599fdf319"
SECRET = "eAUyKgVfhSbV"
YOUTRACK = "d2c5b7a4-0000-4000-8000-000000000001"
SITE = "http://localhost:5000"
EXIT = {"warning": 1, "error": 2}
LONGEST = 15.0
"""Seconds in which the doctor has to be done, whatever hangs."""


class Clinic:
    """The Hub, well at the beginning of each test, and the command."""

    def __init__(self, folder: Path) -> None:
        self.hub = Hub(folder, SITE)
        self.well = requests.get(f"{self._control}options", timeout=ANSWER_SECONDS).json()

    @property
    def _control(self) -> str:
        return self.hub.url.removesuffix("hub") + "__dev__/"

    @property
    def origin(self) -> str:
        return self.hub.url.removesuffix("/hub")

    def heal(self) -> None:
        """Everything as it was."""
        self.hub.process.thaw()
        self.hub.mend()
        self.change(**self.well)
        redirect_uris = [f"{SITE}/authorized"]
        self.service(redirectUris=redirect_uris, trusted=True, authCodeFlowEnabled=True, secret=SECRET)

    def change(self, **options: Any) -> None:
        self.hub._change("POST", "options", options)

    def service(self, **fields: Any) -> None:
        self.hub._change("POST", f"services/{SERVICE_ID}", fields)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of a healthy application."""
        return {
            "HUB_URL": self.hub.url,
            "HUB_SERVICE_ID": SERVICE_ID,
            "HUB_SERVICE_SECRET": SECRET,
            "HUB_SERVICE_URL": SITE,
        }

    def run(self, *words: str, make: Callable[..., Flask] = plain, **settings: Any) -> Result:
        """``flask hub ...`` on an application that `make` makes."""
        info = ScriptInfo(create_app=lambda: make(**{**self.settings, **settings}))
        return CliRunner().invoke(command, words, obj=info)

    def check(self, make: Callable[..., Flask] = plain, **settings: Any) -> list[dict[str, str]]:
        """What is found; also looks at what always has to be so."""
        begun = time.monotonic()
        answer = self.run("check", "--json", make=make, **settings)
        assert time.monotonic() - begun < LONGEST
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        findings: list[dict[str, str]] = json.loads(answer.stdout)
        assert answer.exit_code == max([EXIT[each["level"]] for each in findings], default=0)
        assert all(list(each) == ["code", "level", "seen", "do"] and all(each.values()) for each in findings)
        secret = settings.get("HUB_SERVICE_SECRET", SECRET)
        for value in (secret, SECRET, "TopSecret"):
            assert not isinstance(value, str) or value not in answer.output
        return findings

    def codes(self, make: Callable[..., Flask] = plain, **settings: Any) -> list[str]:
        """The codes of what is found."""
        return [each["code"] for each in self.check(make, **settings)]


def services(url: str, service_id: str = YOUTRACK, **more: str) -> dict[str, Any]:
    """A setting for one service."""
    return {"youtrack": {"id": service_id, "url": url, **more}}


def scope(*names: str) -> list[str]:
    return [HUB_ID, SERVICE_ID, *names]


@contextmanager
def closing(*servers: Any) -> Iterator[None]:
    """Stops these at the end."""
    try:
        yield
    finally:
        for server in servers:
            server.stop()
