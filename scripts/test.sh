#!/bin/sh
# Runs the tests on every supported Python of this machine: test.sh [pytest's arguments]
#
# A version that fails does not keep the others from running; the last lines say how each ended. What drives a browser,
# or breaks processes and servers on purpose, takes minutes and is not about the version: the newest one alone does it.
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

newest_only='--ignore=tests/browser
--ignore=tests/faults
--ignore=tests/demo/test_in_chromium.py
--ignore=tests/devhub/test_in_a_browser.py
--ignore=tests/tokens/test_many.py
--ignore=tests/tokens/test_redis_away.py
--ignore=tests/tokens/test_redis_locks.py
--ignore=tests/tokens/test_redis_store.py
--ignore=tests/web/test_broken_records.py
--ignore=tests/workers
--ignore=tests/test_redis_servers.py
--ignore=tests/test_benchmarks.py'

failed=0
summary=
newest=$(echo "$pythons" | tail -n 1)
for line in $pythons; do
    version=${line%% *}
    echo "== Python $version"
    began=$(date +%s)
    left_out=
    # Who asks for something has it on every version.
    if [ "$line" != "$newest" ] && [ $# = 0 ]; then
        left_out=$newest_only
    fi
    # shellcheck disable=SC2086  # a word a line, or none
    if ".venvs/$version/bin/python" -m pytest $left_out "$@"; then
        result=passed
    else
        result=FAILED
        failed=1
    fi
    summary="$summary$newline""Python $version: $result after $(($(date +%s) - began)) s"
done
echo "$summary"
exit $failed
