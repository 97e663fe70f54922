"""Writes package-lock.json anew after a change of package.json: ``python -m tests.clients.lock``, with a network.

ring-ui names the whole of its build as its dependencies. The parts that are used here import four of them; the lock
file keeps those alone, so that a dozen packages are fetched in place of four hundred.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LOCK = FOLDER / "package-lock.json"
IMPORTED = {"@jetbrains/ring-ui": {"@jetbrains/icons", "classnames", "simply-uuid", "util-deprecate"}}


def main() -> None:
    LOCK.unlink(missing_ok=True)
    subprocess.run(["npm", "install", "--package-lock-only"], cwd=FOLDER, check=True)
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    lock["packages"] = kept(lock["packages"])
    LOCK.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def kept(packages: dict[str, Any]) -> dict[str, Any]:
    """What the root needs, and what that needs."""
    found, waiting = {"": packages[""]}, list(packages[""]["dependencies"])
    for name in waiting:
        package = packages[f"node_modules/{name}"]
        imported = IMPORTED.get(name, package.get("dependencies", {}))
        needed = {each: version for each, version in package.get("dependencies", {}).items() if each in imported}
        found[f"node_modules/{name}"] = package | ({"dependencies": needed} if needed else {})
        waiting += [each for each in (*needed, *package.get("optionalDependencies", {})) if each not in waiting]
    return {place: found[place] for place in packages if place in found}


if __name__ == "__main__":
    main()
