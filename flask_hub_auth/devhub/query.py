"""The ``query`` parameter of Hub's REST: ``login: jane``, ``name: "A B" or nameStartsWith: {two words}``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

CLAUSE = re.compile(r"""(\w+)\s*:\s*(?:\{([^{}]*)\}|"([^"]*)"|([^\s(){}":]+))""", re.ASCII)
JOIN = re.compile(r"\s+(or|and)\s+", re.ASCII)

# Alternatives, each a list of what has to be true at once.
Query = list[list[tuple[str, str]]]


def read_query(text: str, names: Collection[str]) -> Query:
    """Clauses joined by ``or`` and, tighter, ``and``; ``names`` may be asked for, also with ``StartsWith`` behind,
    but one with a value, ``is:global``, only so.

    Hub's own language has more. Raises ValueError, in words, for what is not known here, since silence about a
    condition would be a wrong answer.
    """
    alternatives: Query = [[]]
    text, place = text.strip(), 0
    while text:
        clause = CLAUSE.match(text, place)
        if clause is None:
            raise ValueError(f"no condition at {text[place : place + 40]!r}")
        name, *values = clause.groups()
        value = next(value for value in values if value is not None)
        if name.removesuffix("StartsWith") not in names and f"{name}:{value}" not in names:
            raise ValueError(f"{name!r} is none of {', '.join(names)}")
        alternatives[-1].append((name, value))
        join = JOIN.match(text, clause.end())
        if join is None and clause.end() < len(text):
            raise ValueError(f"neither or nor and at {text[clause.end() :][:40]!r}")
        if join is None:
            break
        place = join.end()
        alternatives += [[]] if join[1] == "or" else []
    return alternatives


def matches(query: Query, item: Mapping[str, object]) -> bool:
    """Whether ``item`` is asked for. Compared without case; nobody has written down what Hub does."""
    return any(all(_is(item, name, value) for name, value in wanted) for wanted in query)


def _is(item: Mapping[str, object], name: str, value: str) -> bool:
    found = str(item.get(name.removesuffix("StartsWith"), "")).casefold()
    return found.startswith(value.casefold()) if name.endswith("StartsWith") else found == value.casefold()
