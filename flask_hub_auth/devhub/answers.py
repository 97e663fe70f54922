"""What Hub's REST answers look like: the parts that ``fields`` asks for, pages, filters."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from .caller import RestError
from .fields import Tree, project, read_fields
from .query import matches, read_query


def answer(value: Any) -> Response:
    """``value`` as JSON with the parts that ``fields`` asks for."""
    return _fresh(project(value, _fields()))


def page(kind: str, key: str, items: list[dict[str, Any]], *, query: tuple[str, ...] = ()) -> Response:
    """One page of a collection: ``{"type", "skip", "top", "total", <key>: [...]}``; ``fields`` are the items'.

    ``query`` names the fields that the request may ask for.
    """
    items = _ordered(items)
    items = filtered(items, query) if query else items
    skip, top = max(_number("$skip", 0), 0), _number("$top", 100)
    shown = items[skip:] if top < 0 else items[skip : skip + top]
    tree = _fields()
    # Both are seen in the wild: the fields of an item, and the same inside the page's own key.
    tree = tree.get(key) or tree
    return _fresh({"type": kind, "skip": skip, "top": top, "total": len(items), key: project(shown, tree)})


def filtered(items: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The items that ``query`` asks for; all where there is none."""
    try:
        query = read_query(request.args.get("query", ""), names)
    except ValueError as error:
        raise RestError(400, "bad_request", f"Cannot read query: {error}") from None
    return [item for item in items if matches(query, item)]


def _ordered(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items by their field ``orderBy``. How Hub compares is not written down: here without case, nothing last."""
    field = request.args.get("orderBy")
    if not field or not items:
        return items
    known = dict.fromkeys(name for item in items for name, value in item.items() if not isinstance(value, dict | list))
    if field not in known:
        raise RestError(400, "bad_request", f"Cannot order by {field!r}, only by {', '.join(known)}")
    return sorted(items, key=lambda item: _place(item.get(field)))


def _place(value: object) -> tuple[bool, int, str]:
    """Numbers by size, text by its letters."""
    if isinstance(value, int):
        return False, value, ""
    return value is None, 0, str(value).casefold()


def _fields() -> Tree:
    try:
        return read_fields(request.args.get("fields", ""))
    except ValueError as error:
        raise RestError(400, "bad_request", f"Cannot read fields: {error}") from None


def _number(name: str, default: int) -> int:
    try:
        return max(int(request.args.get(name, default)), -1)
    except ValueError:
        raise RestError(400, "bad_request", f"{name} is no number") from None


def _fresh(value: Any) -> Response:
    response = jsonify(value)
    response.headers["Cache-Control"] = "no-store"
    return response
