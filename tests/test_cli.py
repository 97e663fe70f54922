from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from flask_hub_auth.cli import hub


def test_the_commands_are_listed_with_a_sentence_each() -> None:
    answer = CliRunner().invoke(hub, ["--help"])
    assert answer.exit_code == 0
    assert "dev" in answer.output
    assert all(command.help and command.help.endswith(".") for command in hub.commands.values())


def test_the_dev_hub_tells_its_own_options() -> None:
    answer = CliRunner().invoke(hub, ["dev", "--help"])
    assert answer.exit_code == 0
    for option in ("--port", "--service-id", "--redirect-uri", "--untrusted", "--token-life", "--rotate"):
        assert option in answer.output
    assert "flask hub dev" in answer.output


@pytest.mark.parametrize("words", [["--port", "none"], ["--colour", "blue"]])
def test_a_wrong_option_of_the_dev_hub_is_refused_in_words(words: list[str]) -> None:
    answer = CliRunner().invoke(hub, ["dev", *words])
    assert answer.exit_code == 2
    assert words[0] in answer.output
    assert "Traceback" not in answer.output


def test_the_commands_do_not_load_the_dev_hub_before_it_is_asked_for() -> None:
    code = "import sys, flask_hub_auth.cli; print(sorted(name for name in sys.modules if 'devhub' in name))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
