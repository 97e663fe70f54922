#!/bin/sh
# Builds the wheel, installs it into an empty environment and looks at what arrived: wheel.sh PYTHON
#
# PYTHON is one that has the "build" package.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" -m build --outdir "$work" . >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
"$1" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/*.whl

# From another folder, so that the checkout is not what gets imported.
cd "$work"
venv/bin/python - <<'EOF'
import importlib
import importlib.resources
import importlib.util
import pkgutil

import flask_hub_auth

files = importlib.resources.files("flask_hub_auth")
assert "venv" in str(files), f"imported from {files}, not from the wheel"
assert (files / "py.typed").is_file(), "py.typed is missing"
for folder in ("web", "devhub"):
    assert list((files / folder / "templates").rglob("*.html")), f"{folder}/templates holds no page"
for name in ("demo_app", "tests", "scripts", "benchmarks"):
    assert importlib.util.find_spec(name) is None, f"{name} is in the wheel"
for module in pkgutil.walk_packages(flask_hub_auth.__path__, "flask_hub_auth."):
    # The fixtures need pytest, and what is about Redis the extra "redis".
    if not module.name.endswith(("__main__", ".redis_store", ".redis_clients")) and ".testing" not in module.name:
        importlib.import_module(module.name)
for name in flask_hub_auth.__all__:
    getattr(flask_hub_auth, name)
EOF
venv/bin/flask hub --help | tee help
grep -qw dev help || {
    echo "flask hub lacks its commands." >&2
    exit 1
}
echo "The wheel installs, imports and has its commands."
