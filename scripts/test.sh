#!/bin/sh
# Runs the tests on every supported Python of this machine: test.sh [pytest's arguments]
#
# A version that fails does not keep the others from running; the last lines say how each ended. What drives a browser
# or clients of others, or breaks processes and servers on purpose, takes minutes and is not about the version: the
# newest one alone does it.
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

newest_only='tests/browser
tests/clients
tests/faults
tests/demo/test_in_chromium.py
tests/demo/test_main.py
tests/devhub/test_in_a_browser.py
tests/doctor/test_lasting_faults.py
tests/doctor/test_setups.py
tests/doctor/test_the_process.py
tests/tokens/test_many.py
tests/tokens/test_redis_away.py
tests/tokens/test_redis_locks.py
tests/tokens/test_redis_store.py
tests/web/test_broken_records.py
tests/workers
tests/test_redis_servers.py
tests/test_benchmarks.py'

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
    left_out=$(echo "$newest_only" | sed 's/^/--ignore=/')
    echo "== All Pythons run beside each other, for some minutes; what they say follows."
    for version in $versions; do
        # shellcheck disable=SC2086  # a word a line
        ".venvs/$version/bin/python" -m pytest $left_out >"$logs/$version" 2>&1 &
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
    # Alone, since it also looks at times.
    # shellcheck disable=SC2086  # a word a line
    tested "$newest" $newest_only
else
    # Who asks for something has it on every version.
    for version in $versions; do
        tested "$version" "$@"
    done
fi
echo "$summary"
exit $failed
