"""The ``fields`` parameter of Hub's REST: which parts of an object an answer holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Tree = dict[str, "Tree"]

# Come along whether asked for or not.
ALWAYS = ("type", "$type", "id")

# Nested names; Hub's own have about five.
DEEPEST = 20


def read_fields(text: str) -> Tree:
    """``id,profile(email/email,avatar(url))`` as nested names; an empty tree means the whole of that field.

    Both spellings of a nested field mean the same: ``a(b,c)`` and ``a/b,a/c``. Raises ValueError where the
    parentheses do not match or a name is missing.
    """
    tokens = iter(re.findall(r"[^,/()\s]+|[,/()]", text))
    tree, end = _read_list(tokens, depth=0)
    if end != "":
        raise ValueError("a ) too many")
    return tree


def _read_list(tokens: Iterator[str], depth: int) -> tuple[Tree, str]:
    """Reads up to a closing parenthesis or the end, and says which."""
    tree: Tree = {}
    place, here = tree, depth
    for token in tokens:
        if token == ")":
            return tree, token
        if token == ",":
            place, here = tree, depth
        elif token == "(":
            if here == depth:
                raise ValueError("a ( without a name")
            inner, end = _read_list(tokens, here)
            if end != ")":
                raise ValueError("a ) is missing")
            _merge(place, inner)
        elif token != "/":
            place, here = place.setdefault(token, {}), here + 1
            if here > DEEPEST:
                raise ValueError("too deep")
    return tree, ""


def _merge(tree: Tree, other: Tree) -> None:
    for name, inner in other.items():
        _merge(tree.setdefault(name, {}), inner)


def project(value: Any, tree: Tree) -> Any:
    """``value`` with only the fields of ``tree``; lists are projected element by element."""
    if not tree:
        return value
    if isinstance(value, list):
        return [project(element, tree) for element in value]
    if not isinstance(value, dict):
        return value
    return {name: project(part, tree.get(name, {})) for name, part in value.items() if name in tree or name in ALWAYS}
