#!/bin/sh
# Prints "VERSION PATH" for every Python of this machine that the project supports, one a line.
#
# pythons.sh first: the path of one of them, no more.
# PYTHONS="3.12 3.13" asks for these alone, and for all of them. A version is looked for on PATH
# and among pyenv's versions. Where none is found, any newer python3 will do.
set -u

# Prints the path of the real executable, and fails where it is not the version wanted.
runs() {
    [ -n "$2" ] && "$2" -c '
import sys
found = sys.version_info[:2]
wanted = sys.argv[1]
if not (found >= (3, 11) if wanted == "any" else found == tuple(map(int, wanted.split(".")))):
    sys.exit(1)
print(sys.executable)
' "$1" 2>/dev/null
}

# An executable can be there and be of no use: Debian ships venv as a package of its own.
has_venv() {
    "$2" -c 'import ensurepip, ssl, venv' 2>/dev/null && return
    echo "Python $1 ($2) is left out: it lacks ssl, venv or ensurepip. Debian has the latter two in python$1-venv." >&2
    return 1
}

show() {
    if [ "$only" = first ]; then
        echo "$2"
        exit
    fi
    echo "$1 $2"
}

find_python() {
    for candidate in "$(command -v "python$1")" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/python "$HOME"/.pyenv/versions/"$1"*/bin/python; do
        path=$(runs "$1" "$candidate") && has_venv "$1" "$path" && show "$1" "$path" && return
    done
    return 1
}

only=${1:-}
HOME=${HOME:-/nonexistent}
found=
for version in ${PYTHONS:-3.11 3.12 3.13}; do
    if find_python "$version"; then
        found=yes
    elif [ -n "${PYTHONS:-}" ]; then
        echo "PYTHONS asks for Python $version, which this machine does not have." >&2
        exit 1
    fi
done
[ -n "$found" ] && exit

for name in python3 python; do
    if path=$(runs any "$(command -v $name)"); then
        version=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        has_venv "$version" "$path" && show "$version" "$path" && exit
    fi
done
echo "Python 3.11 or newer is needed, with its venv module. Install it, or put it on PATH." >&2
exit 1
