#!/usr/bin/env bash
# The HTML reports in a real browser without a network: a run with a sabotaged failure, then filters, search, links and
# keys, the page without scripts, its contrast in light and dark, and its width on a phone. Arguments go to report.py.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromium >/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "chromium is missing; install the package chromium" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi

cargo build --locked --package conformance
windtunnel=${CARGO_TARGET_DIR:-target}/debug/windtunnel
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Exit code 1: the saboteur is found. Anything else is no report to look at.
code=0
"$windtunnel" run FO-01 RT-01 ST-01 ST-02 --sabotage failover-dropped \
    --report "html=$folder/run.html,json=$folder/run.json" >/dev/null || code=$?
if ((code != 1)); then
    echo "the sabotaged run ended with exit code $code instead of 1" >&2
    exit 1
fi
"$windtunnel" run FO-01 RT-01 --report "json=$folder/good.json" >/dev/null
"$windtunnel" report matrix "$folder/good.json" "$folder/run.json" >"$folder/matrix.html"

timeout --kill-after=5 120 python3 ci/report.py "$folder" "$@"
