"""The benchmarks run, and what they show beside the times is right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
QUICK_SECONDS = 50


def tables(text: str) -> list[list[dict[str, str]]]:
    """The rows of all tables in `text`, each by the names of its columns."""
    found: list[list[dict[str, str]]] = []
    for block in text.split("\n\n"):
        lines = [re.split(r"\s{2,}", line.strip()) for line in block.splitlines()]
        if lines[0][0] == "store":
            found.append([dict(zip(lines[0], cells, strict=True)) for cells in lines[1:]])
    return found


def test_the_quick_run_makes_one_token_call_per_storm_and_answers_everybody() -> None:
    """R2, R68"""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.renewal", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=QUICK_SECONDS,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.match(r"Python 3\.\d+\.\d+\S* on \d+ cores?, ", run.stdout)
    storms, guarded = tables(run.stdout)
    seen = [(row["store"], row["processes"], row["requests"]) for row in storms]
    sites = [("memory", "1"), ("files", "1"), ("files", "2"), ("Redis", "1"), ("Redis", "2")]
    assert seen == [(*site, requests) for site in sites for requests in ("1", "20")]
    for row in storms:
        assert (row["token calls"], row["answers"]) == ("1", f"{row['requests']} x 200"), row
        assert float(row["worst beyond Hub"].removesuffix(" ms")) > 0, row
    assert [(row["store"], row["kept"]) for row in guarded] == [("memory", "yes"), ("files", "yes"), ("Redis", "yes")]
