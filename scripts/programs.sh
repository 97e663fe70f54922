#!/bin/sh
# Sees to the programs that the tests need beside Python, and installs what is missing where it may.
set -u

# What it is | the executables, any of which will do | the Debian packages that bring one
programs='
Chromium|chromium chromium-browser google-chrome google-chrome-stable|chromium fonts-dejavu-core
'

there() {
    for executable in $1; do
        command -v "$executable" >/dev/null && return
    done
    return 1
}

missing() {
    echo "$programs" | while IFS='|' read -r name executables packages; do
        if [ -n "$name" ] && ! there "$executables"; then
            echo "$name|$packages"
        fi
    done
}

# Root installs as it is, others where sudo asks for no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

install() {
    command -v apt-get >/dev/null || return 1
    as_root true 2>/dev/null </dev/null || return 1
    echo "Installing $* with apt-get ..." >&2
    log=$(mktemp)
    if as_root apt-get update >"$log" 2>&1 </dev/null &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
            -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1 </dev/null; then
        rm -f "$log"
        return
    fi
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
}

lacking=$(missing)
[ -z "$lacking" ] && exit
# The package names are words without blanks; splitting them is meant.
# shellcheck disable=SC2046
install $(echo "$lacking" | cut -d'|' -f2)

lacking=$(missing)
[ -z "$lacking" ] && exit
echo "$lacking" | while IFS='|' read -r name packages; do
    echo "The tests need $name, which is not on PATH. Install it first; on Debian: apt-get install $packages" >&2
done
exit 1
