"""docs/requirements.md and the tests say the same, and the comparison would notice if they did not."""

from pathlib import Path

import pytest

from tests import requirements

DOCUMENT = """# Requirements

Introduction.

## Security

- **S2** A code is used once.
  - `tests/test_a.py`: `test_once`, `TestMore::test_twice`

## Faults

- **R10** An outage keeps the login.
  - `tests/test_a.py`
"""
PROVEN = {"R10": ["tests/test_a.py"], "S2": ["tests/test_a.py::test_once", "tests/test_a.py::TestMore::test_twice"]}


def test_the_document_and_the_tests_agree() -> None:
    document = requirements.DOCUMENT.read_text(encoding="utf-8")
    found = requirements.problems(document, requirements.proofs(requirements.ROOT / "tests"))
    assert found == [], "make requirements brings the document up to date"


def test_ids_come_from_the_docstrings_of_tests_classes_and_files(tmp_path: Path) -> None:
    text = (
        '"""File: R10."""\n'
        'def test_once():\n    """Once (S2), with a challenge of S256; XS3 and S4a are no ids."""\n    "S5"\n'
        'class TestMore:\n    """All of L1."""\n    async def test_twice(self):\n        """S2, S2."""\n'
        'def helper():\n    """S6."""\n'
    )
    (tmp_path / "tests" / "web").mkdir(parents=True)
    (tmp_path / "tests" / "web" / "test_a.py").write_text(text)
    (tmp_path / "tests" / "conftest.py").write_text('"""S7."""')
    file = "tests/web/test_a.py"
    assert requirements.proofs(tmp_path / "tests") == {
        "R10": [file],
        "S2": [f"{file}::test_once", f"{file}::TestMore::test_twice"],
        "L1": [f"{file}::TestMore"],
    }


def test_a_document_that_agrees_passes() -> None:
    assert requirements.problems(DOCUMENT, PROVEN) == []


@pytest.mark.parametrize(
    ("document", "proven", "problem"),
    [
        (
            DOCUMENT,
            PROVEN | {"C4": ["tests/t.py::test_x"]},
            "C4 is named by tests/t.py::test_x, but not in the document",
        ),
        (DOCUMENT, {"S2": PROVEN["S2"]}, "R10 is in the document, but no test names it"),
        (DOCUMENT, PROVEN | {"S2": ["tests/t.py"]}, "the tests beside an id are not the ones that name it"),
        (DOCUMENT.replace(" A code is used once.", ""), PROVEN, "S2 has no sentence in the document"),
        (
            DOCUMENT.replace("S2", "S102"),
            {"R10": PROVEN["R10"], "S102": PROVEN["S2"]},
            "tests/test_a.py::test_once names S102, which does not exist",
        ),
    ],
)
def test_a_difference_is_named(document: str, proven: dict[str, list[str]], problem: str) -> None:
    assert requirements.problems(document, proven) == [problem]


def test_writing_keeps_the_sentences_and_leaves_a_new_one_to_a_person() -> None:
    proven = PROVEN | {"S1": ["tests/test_b.py::test_state"], "R10": ["tests/test_c.py::test_outage"]}
    document = requirements.written(DOCUMENT, proven)
    assert requirements.sentences(document) == {
        "S1": "",
        "S2": "A code is used once.",
        "R10": "An outage keeps the login.",
    }
    assert "- **S1**\n  - `tests/test_b.py`: `test_state`\n- **S2** A code" in document
    assert document.startswith("# Requirements\n\nIntroduction.\n\n## Security\n")
    assert requirements.problems(document, proven) == ["S1 has no sentence in the document"]


def test_writing_twice_changes_nothing_more() -> None:
    assert requirements.written(DOCUMENT, PROVEN) == DOCUMENT
