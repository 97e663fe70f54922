#!/bin/sh
# Sees to the programs that the tests need beside Python, and installs what is missing where it may.
set -u

# What it is | the executables or libraries, any of which will do | the Debian packages that bring one
programs='
Chromium|chromium chromium-browser google-chrome google-chrome-stable|chromium fonts-dejavu-core
libatomic (for Playwright)|libatomic.so.1|libatomic1
Node.js with npm|npm|nodejs npm
Redis|redis-server valkey-server|redis-server
'

there() {
    for candidate in $1; do
        case $candidate in
        *.so.*) library "$candidate" && return ;;
        *) command -v "$candidate" >/dev/null && return ;;
        esac
    done
    return 1
}

# Where there is no ldconfig to ask, this is no Debian, and the library goes by another name or is built in.
library() {
    names=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) || return 0
    case $names in
    *"$1"*) ;;
    *) return 1 ;;
    esac
}

missing() {
    echo "$programs" | while IFS='|' read -r name wanted packages; do
        if [ -n "$name" ] && ! there "$wanted"; then
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
    echo "The tests need $name, which this machine lacks. Install it first; on Debian: apt-get install $packages" >&2
done
exit 1
