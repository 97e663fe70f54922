"""The package keeps its floors, and the check of that would notice if it did not."""

from pathlib import Path

import pytest

from tests import layout

PACKAGE = Path(__file__).parents[1] / "flask_hub_auth"


def test_imports_keep_to_the_floors() -> None:
    assert layout.problems(PACKAGE) == []


def test_no_modules_import_each_other_in_a_ring() -> None:
    assert layout.cycles(PACKAGE) == []


def test_no_file_is_too_long() -> None:
    assert layout.long_files(PACKAGE) == []


def test_everything_public_has_a_docstring() -> None:
    assert layout.without_docstring(PACKAGE) == []


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a package that breaks no rule."""
    files = {
        "__init__.py": "from .extension import HubAuth\nfrom .web import guards\n",
        "errors.py": "from werkzeug.exceptions import HTTPException\n",
        "config.py": "from . import errors\n",
        "sealing.py": "from cryptography.hazmat.primitives.ciphers.aead import AESGCM\n",
        "hub/__init__.py": "from .oauth import HubOAuth\n",
        "hub/transport.py": "import requests\nfrom requests.exceptions import Timeout\n\nrequests.ConnectionError\n",
        "hub/oauth.py": "from authlib.oauth2 import client\nfrom . import transport\nfrom .. import errors\n",
        "tokens/store.py": "import cachelib\nfrom .locks import Lock\nfrom ..hub import HubOAuth\n",
        "tokens/locks.py": "import filelock\n",
        "web/pending.py": "import flask\nimport itsdangerous\nfrom flask_hub_auth.tokens.store import LoginStore\n",
        "extension.py": "import requests\nfrom .web.pending import Pending\n\nrequests.Session()\n",
        "cli.py": "def dev():\n    from .devhub import serve\n",
        "devhub/__init__.py": "import flask, requests, authlib\nfrom .pages import page\n",
        "devhub/pages.py": "from . import words\n",
        "devhub/words.py": "",
        "testing/plugin.py": "from ..devhub import serve\nfrom .. import extension\n",
    }
    folder = tmp_path / "flask_hub_auth"
    for name, text in files.items():
        write(folder, name, text)
    return folder


def write(package: Path, name: str, text: str) -> None:
    path = package / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_package_that_keeps_the_rules_passes(package: Path) -> None:
    assert layout.problems(package) == []
    assert layout.cycles(package) == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("errors.py", "from .hub.transport import Transport", "errors:1 imports hub.transport, which is above it"),
        ("hub/rest.py", "from ..tokens import TokenKeeper", "hub.rest:1 imports tokens, which is above it"),
        ("tokens/keeper.py", "from ..web.signals import x", "tokens.keeper:1 imports web.signals, which is above it"),
        ("web/guards.py", "import flask_hub_auth.extension", "web.guards:1 imports extension, which is above it"),
        ("errors.py", "from . import config", "errors:1 imports config, which is above it"),
        (
            "hub/transport.py",
            "def f():\n    from .rest import X",
            "hub.transport:2 imports hub.rest, which is above it",
        ),
        ("web/guards.py", "from flask_hub_auth import HubAuth", "web.guards:1 imports the package, which is above it"),
        ("hub/transport.py", "from . import HubOAuth", "hub.transport:1 imports hub, which is above it"),
        (
            "extension.py",
            "from importlib import import_module\nimport_module('.cli', __package__)",
            "extension:2 imports cli, which is above it",
        ),
        (
            "config.py",
            "from flask import current_app",
            "config:1 imports flask.current_app: floors 0 to 2 work without Flask",
        ),
        ("hub/rest.py", "import flask", "hub.rest:1 imports flask: floors 0 to 2 work without Flask"),
        (
            "tokens/keeper.py",
            "import flask.globals",
            "tokens.keeper:1 imports flask.globals: floors 0 to 2 work without Flask",
        ),
        (
            "hub/oauth.py",
            "from requests import ReadTimeout",
            "hub.oauth:1 uses requests.ReadTimeout, which only hub.transport knows",
        ),
        (
            "hub/oauth.py",
            "import requests.exceptions",
            "hub.oauth:1 uses requests.exceptions, which only hub.transport knows",
        ),
        (
            "tokens/client.py",
            "import requests\nrequests.HTTPError",
            "tokens.client:2 uses requests.HTTPError, which only hub.transport knows",
        ),
        ("hub/rest.py", "import authlib", "hub.rest:1 uses authlib, which only hub.oauth knows"),
        (
            "config.py",
            "from cachelib import BaseCache",
            "config:1 uses cachelib.BaseCache, which only tokens.store knows",
        ),
        ("tokens/store.py", "import filelock", "tokens.store:1 uses filelock, which only tokens.locks knows"),
        (
            "tokens/store.py",
            "from redis.lock import Lock",
            "tokens.store:1 uses redis.lock.Lock, which only tokens.locks knows",
        ),
        (
            "tokens/store.py",
            "from cryptography.hazmat.primitives.ciphers import aead",
            "tokens.store:1 uses cryptography.hazmat.primitives.ciphers.aead, which only sealing knows",
        ),
        ("web/views.py", "import itsdangerous", "web.views:1 uses itsdangerous, which only web.pending knows"),
        (
            "devhub/pages.py",
            "from ..errors import HubError",
            "devhub.pages:1 imports errors: the dev Hub reads Hub's documentation on its own",
        ),
        (
            "devhub/pages.py",
            "import flask_hub_auth",
            "devhub.pages:1 imports the package: the dev Hub reads Hub's documentation on its own",
        ),
        (
            "devhub/pages.py",
            "from ..testing import plugin",
            "devhub.pages:1 imports testing.plugin: the dev Hub reads Hub's documentation on its own",
        ),
        (
            "extension.py",
            "def f():\n    from .devhub import serve",
            "extension:2 imports devhub, which only a function of cli may",
        ),
        ("cli.py", "from .devhub import serve", "cli:1 imports devhub, which only a function of cli may"),
        ("__init__.py", "from . import devhub", "flask_hub_auth:1 imports devhub, which only a function of cli may"),
        (
            "extension.py",
            "from .testing.plugin import x",
            "extension:1 imports testing.plugin, which is for tests alone",
        ),
        ("web/helpers.py", "", "web.helpers has no place on a floor (FLOORS in tests/layout.py)"),
        ("caching/__init__.py", "", "caching has no place on a floor (FLOORS in tests/layout.py)"),
    ],
)
def test_a_broken_rule_is_named(package: Path, name: str, text: str, problem: str) -> None:
    write(package, name, text)
    assert layout.problems(package) == [problem]


def test_a_ring_is_found_also_beside_the_floors(package: Path) -> None:
    write(package, "devhub/words.py", "from .pages import page")
    assert layout.cycles(package) == [["devhub.pages", "devhub.words", "devhub.pages"]]
    write(package, "devhub/words.py", "if TYPE_CHECKING:\n    from .pages import page")
    assert layout.cycles(package) == []


def test_a_long_file_is_named(package: Path) -> None:
    write(package, "errors.py", "\n" * 301)
    assert layout.long_files(package) == ["errors.py has 301 lines, 300 are the most"]


def test_what_lacks_a_docstring_is_named(package: Path) -> None:
    write(
        package,
        "hub/rest.py",
        '"""Text."""\n'
        "class Client:\n"
        "    def get(self): ...\n"
        "@overload\n"
        "def fetch(x: int): ...\n"
        "def fetch(x): ...\n"
        "def _fetch(): ...\n"
        'def told():\n    """Text."""\n    def inner(): ...\n',
    )
    write(package, "hub/oauth.py", "x = 1")
    found = layout.without_docstring(package)
    assert [name for name in found if name.startswith("hub/rest")] == [
        "hub/rest.py: Client",
        "hub/rest.py: fetch",
    ]
    assert "hub/oauth.py: oauth" in found
