"""JSON that is sent here: read as a careful server reads it, so that what cannot be kept or sent is not taken."""

from __future__ import annotations

import json
from typing import Any

from flask.json.provider import DefaultJSONProvider


class Json(DefaultJSONProvider):
    """Hub's own answers keep their order and their letters."""

    sort_keys = False
    ensure_ascii = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises ValueError, which is a 400, for nesting without end, halves of surrogate pairs and NaN too."""
        try:
            value = json.loads(s, **kwargs)
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except RecursionError:
            raise ValueError("too deep") from None
        return value
