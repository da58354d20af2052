#!/usr/bin/env bash
# The admin page in headless Chromium, against a gateway with providers that answer, fail and stream: every view, filter,
# waterfall, live update, dark mode, a phone's width; no console error, no request to elsewhere.
# `ci/page.sh --screenshots` also takes the pictures in docs/images, after two minutes of traffic.
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
for program in node npm; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is missing; Node 20 or later is needed" >&2
        exit 1
    fi
done

# Installed once for each state of the lock file.
locks=(ci/page/package.json ci/page/package-lock.json)
state=$({ cat "${locks[@]}" && node --version; } | sha256sum)
tools=${CARGO_TARGET_DIR:-target}/tools
mkdir -p "$tools"
browser=$(cd "$tools" && pwd)/page-${state:0:12}
if [[ ! -e $browser/complete ]]; then
    echo "installing the browser's driver into $browser (once)"
    rm -rf "$browser"
    mkdir -p "$browser"
    cp "${locks[@]}" "$browser"
    npm ci --prefix "$browser" --ignore-scripts --no-audit --no-fund --loglevel error
    touch "$browser/complete"
fi

cargo build --locked --package conformance
WINDTUNNEL=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/windtunnel
CHROMIUM=$(command -v chromium)
export WINDTUNNEL CHROMIUM NODE_PATH=$browser/node_modules NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
if [[ ${1:-} == --screenshots ]]; then
    mkdir -p docs/images
    export SCREENSHOTS=$PWD/docs/images
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
node --test --test-reporter=spec ci/page/page.test.js 2>&1 | tee "$log" || status=1
count() { grep -oE "^ℹ $1 [0-9]+" "$log" | grep -oE '[0-9]+' || echo 0; }
passed=$(count pass)
failed=$(count fail)
echo "$passed passed, $failed failed"
((status == 0 && failed == 0 && passed > 0))
