"""Compares docs/requirements.md with the ids in the tests' docstrings, and writes the tests beside each id.

A test proves a requirement by naming its id in its docstring: ``S25``, ``R9``, ``L2``, ``C4``. The docstring of
a test class speaks for its tests, that of a file for the file. ``python -m tests.requirements --write`` brings
the document up to date; a new id gets a line without a sentence there, which a person has to write.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "requirements.md"
# The last number of each kind, and the heading it stands under.
KINDS = {"S": (101, "Security"), "R": (72, "Faults"), "L": (23, "Privacy"), "C": (20, "Cryptography")}
ID = re.compile(r"\b([SRLC])([1-9]\d{0,2})\b")
NO_IDS = {"S256"}  # the name of a method of PKCE
LINE = re.compile(r"- \*\*([SRLC]\d+)\*\*(.*)")


def proofs(tests: Path) -> dict[str, list[str]]:
    """The tests that name each id, as pytest names them, from the folder of the tests on."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        file = path.relative_to(tests.parent).as_posix()
        for name, docstring in _docstrings(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            for identity in ids(docstring):
                found[identity].append("::".join([file, *name]))
    return dict(found)


def _docstrings(node: ast.Module | ast.ClassDef, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    yield above, ast.get_docstring(node) or ""
    for child in node.body:
        if isinstance(child, ast.ClassDef) and child.name.startswith("Test"):
            yield from _docstrings(child, (*above, child.name))
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name.startswith("test_"):
            yield (*above, child.name), ast.get_docstring(child) or ""


def ids(text: str) -> list[str]:
    """The ids in a text, each once, in order."""
    return list(dict.fromkeys(match[0] for match in ID.finditer(text) if match[0] not in NO_IDS))


def sentences(document: str) -> dict[str, str]:
    """What the document says of each id."""
    return {match[1]: match[2].strip(" —") for line in document.splitlines() if (match := LINE.fullmatch(line))}


def problems(document: str, proven: Mapping[str, list[str]]) -> list[str]:
    """What is wrong with the document or with the ids of the tests; empty where all is well."""
    told = sentences(document)
    found = [
        f"{proven[identity][0]} names {identity}, which does not exist" for identity in proven if not known(identity)
    ]
    found += [f"{identity} is in the document, but no test names it" for identity in told if identity not in proven]
    found += [
        f"{identity} is named by {proven[identity][0]}, but not in the document"
        for identity in proven
        if identity not in told
    ]
    found += [f"{identity} has no sentence in the document" for identity, sentence in told.items() if not sentence]
    if not found and document != written(document, proven):
        found.append("the tests beside an id are not the ones that name it")
    return found


def known(identity: str) -> bool:
    """Whether there is a requirement of this id."""
    return int(identity[1:]) <= KINDS[identity[0]][0]


def written(document: str, proven: Mapping[str, list[str]]) -> str:
    """The document with its introduction and sentences kept, and everything else as the tests have it."""
    told = sentences(document)
    lines = [document.partition("\n## ")[0].rstrip()]
    for kind, (_, heading) in KINDS.items():
        mine = sorted((identity for identity in proven if identity[0] == kind), key=lambda identity: int(identity[1:]))
        if mine:
            lines += ["", f"## {heading}", ""]
        for identity in mine:
            lines.append(f"- **{identity}** {told.get(identity, '')}".rstrip())
            lines += [
                f"  - {file}: {', '.join(names)}" if names else f"  - {file}"
                for file, names in _by_file(proven[identity])
            ]
    return "\n".join(lines) + "\n"


def _by_file(tests: list[str]) -> list[tuple[str, list[str]]]:
    files: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        file, _, name = test.partition("::")
        files[f"`{file}`"] += [f"`{name}`"] if name else []
    return list(files.items())


def main(arguments: list[str]) -> int:
    """Says what is wrong; with ``--write`` brings the document up to date first."""
    proven = proofs(ROOT / "tests")
    document = DOCUMENT.read_text(encoding="utf-8")
    if arguments == ["--write"]:
        document = written(document, {identity: tests for identity, tests in proven.items() if known(identity)})
        DOCUMENT.write_text(document, encoding="utf-8")
    found = problems(document, proven)
    print("\n".join(found) or "docs/requirements.md and the tests agree.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
