"""What the repository says about itself is true."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def bounds(text: str) -> dict[str, tuple[int, ...]]:
    """The lowest version that a list of requirements takes of each package; it may say nothing else."""
    found = {}
    for line in filter(None, text.splitlines()):
        match = re.fullmatch(r"([a-z0-9_-]+)(?:\[[a-z,]+\])?>=([0-9.]+)", line)
        assert match, f"{line} is not NAME>=VERSION"
        found[match[1]] = numbers(match[2])
    return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_readme_has_two_commands_each_under_its_own_heading() -> None:
    blocks = re.findall(
        r"^## (.+)$(?:(?!^## ).*\n)*?^```(?:sh|shell|bash|console)\n((?:.*\n)*?)```$", README, re.MULTILINE
    )
    assert blocks == [("Run the demo", "make demo\n"), ("Run the tests", "make test\n")]
    assert len(re.findall(r"^```(?!python|$)", README, re.MULTILINE)) == 2


def test_the_readme_links_to_files_that_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_dependencies_have_lower_bounds_only(setup_cfg: configparser.ConfigParser) -> None:
    assert bounds(setup_cfg["options"]["install_requires"])
    for name, text in setup_cfg["options.extras_require"].items():
        if name != "dev":
            assert bounds(text)


def test_the_lower_bounds_leave_out_releases_with_known_holes(setup_cfg: configparser.ConfigParser) -> None:
    """S101."""
    safe = {
        "flask": "3.1.3",
        "werkzeug": "3.1.6",
        "urllib3": "2.7.0",
        "requests": "2.32.4",
        "joserfc": "1.6.3",
        "redis": "4.5.5",
    }
    told = bounds(setup_cfg["options"]["install_requires"]) | bounds(setup_cfg["options.extras_require"]["redis"])
    for name, version in safe.items():
        assert told[name] >= numbers(version), name


def test_the_version_is_in_the_changelog(setup_cfg: configparser.ConfigParser) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## Version {setup_cfg['metadata']['version']}\n" in changelog


def test_the_names_of_the_package_are_listed_before_they_are_used() -> None:
    code = "import flask_hub_auth; print(sorted(set(flask_hub_auth.__all__) - set(dir(flask_hub_auth))))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
