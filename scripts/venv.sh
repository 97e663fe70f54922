#!/bin/sh
# Makes a virtual environment with this project in it: venv.sh FOLDER PYTHON [EXTRA]
#
# Does nothing where the folder already holds what setup.cfg and pyproject.toml ask for.
set -eu
cd "$(dirname "$0")/.."
folder=$1 python=$2 extra=${3:-}

wanted="$(cat setup.cfg pyproject.toml | cksum) $("$python" -V) $python [$extra] $PWD"
if [ "$(cat "$folder/ready" 2>/dev/null)" = "$wanted" ] && "$folder/bin/python" -c '' 2>/dev/null; then
    exit
fi

echo "Setting up $folder with $("$python" -V) ..." >&2
rm -rf "$folder"
"$python" -m venv "$folder"
if ! "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${extra:+[$extra]}"; then
    echo "The packages could not be installed into $folder; pip's own words are above. Is there a network?" >&2
    exit 1
fi
echo "$wanted" >"$folder/ready"
