"""What requests cost at the store, counted where the store is: by a Redis of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from flask_hub_auth.testing.hub import HubInMemory
from flask_hub_auth.testing.plugin import Clock

from ..redis_servers import RedisServer
from ..visiting import Visitor

CONNECTING = ("hello", "client", "config", "select", "info", "auth")


def commands(server: RedisServer) -> dict[str, int]:
    """How often each command was called since the last look, those aside with which clients introduce themselves."""
    found = server.control.info("commandstats")
    server.control.config_resetstat()
    names = {name: name.removeprefix("cmdstat_").partition("|")[0] for name in found}
    return {short: found[name]["calls"] for name, short in names.items() if short not in CONNECTING}


def test_a_guarded_request_of_a_fresh_login_is_one_read(
    tmp_path: Path,
    make_site: Callable[..., Flask],
    visit: Callable[[Flask], Visitor],
    dev_hub: HubInMemory,
    hub_clock: Clock,
) -> None:
    """R37, R68: also where a view and a template ask who it is again and again."""
    with RedisServer(tmp_path) as server:
        visitor = visit(make_site(HUB_CACHE=server.url))
        visitor.sign_in()
        before = len(dev_hub.calls)
        commands(server)
        for _ in range(20):
            assert visitor.open("/private").text == "private jane"
            assert visitor.open("/developers").text == "developers jane"
        assert commands(server) == {"getrange": 40}
        assert visitor.open("/logout").status_code == 200
        assert commands(server) == {}, "a page that asks nobody who they are"
        hub_clock.advance(61)
        assert visitor.who() == "jane"
        assert commands(server)["eval"] == 1, "last seen is written once a minute"
        visitor.who()
        assert commands(server) == {"getrange": 1}
        assert len(dev_hub.calls) == before


@pytest.mark.parametrize("junk", ["", "x", "A" * 43, "A" * 42 + "=", "../../etc/passwd", "\u00e4" * 43])
def test_a_session_that_holds_no_handle_costs_nothing_and_a_made_up_one_a_read(
    tmp_path: Path, make_site: Callable[..., Flask], visit: Callable[[Flask], Visitor], junk: str
) -> None:
    """S35, R69"""
    with RedisServer(tmp_path) as server:
        visitor = visit(make_site(HUB_CACHE=server.url))
        with visitor.client.session_transaction(base_url=visitor.base) as session:
            session["hub_login"] = junk
        commands(server)
        for _ in range(5):
            assert visitor.who() == "nobody"
        assert commands(server) == ({"getrange": 5} if junk == "A" * 43 else {})
        assert server.control.dbsize() == 0
