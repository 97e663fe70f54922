#!/bin/sh
# Runs the tests on every supported Python of this machine: test.sh [pytest's arguments]
#
# A version that fails does not keep the others from running; the last lines say how each ended. What looks at times,
# drives a browser or breaks processes on purpose is marked "alone": the newest version does it, when the others are done.
set -u
cd "$(dirname "$0")/.." || exit

pythons=$(sh scripts/pythons.sh) || exit 1
sh scripts/programs.sh || exit 1

newline='
'
IFS=$newline
for line in $pythons; do
    sh scripts/venv.sh ".venvs/${line%% *}" "${line#* }" test || exit 1
done

versions=$(echo "$pythons" | cut -d' ' -f1)
newest=$(echo "$versions" | tail -n 1)
logs=$(mktemp -d)
running=
pids=
trap 'rm -rf "$logs"' EXIT
trap 'kill $pids 2>/dev/null; exit 130' INT TERM

failed=0
summary=
# ended VERSION STATUS: what became of the tests on one Python
ended() {
    result=passed
    [ "$2" = 0 ] || { result=FAILED && failed=1; }
    summary="$summary$newline""Python $1: $result"
}

# tested VERSION [pytest's arguments]: in the foreground
tested() {
    version=$1
    shift
    echo "== Python $version"
    ".venvs/$version/bin/python" -m pytest "$@"
    ended "$version" $?
}

if [ $# = 0 ]; then
    echo "== All Pythons run beside each other, for some minutes; what they say follows."
    for version in $versions; do
        ".venvs/$version/bin/python" -m pytest -m "not alone" >"$logs/$version" 2>&1 &
        running="$running$newline$version $!"
        pids="$pids$newline$!"
    done
    for line in $running; do
        wait "${line#* }"
        status=$?
        echo "== Python ${line% *}"
        cat "$logs/${line% *}"
        ended "${line% *}" $status
    done
    pids=
    tested "$newest" -m alone
else
    # Who asks for something has it on every version.
    for version in $versions; do
        tested "$version" "$@"
    done
fi
echo "$summary"
exit $failed
