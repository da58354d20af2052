#!/usr/bin/env bash
# Traces in a store that no one here wrote, Arize Phoenix: a gateway in front of mocks sends it spans over gRPC and over
# HTTP, and Phoenix's own API is asked for parents, attributes and tokens. Fails when it cannot have the store.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v python3 >/dev/null; then
    echo "python3 is missing; Python 3.11 or later is needed" >&2
    exit 1
fi

# Installed once for each state of the lock file and each version of the interpreter.
locks=ci/traces/requirements.txt
state=$({ cat "$locks" && python3 --version; } | sha256sum)
tools=${CARGO_TARGET_DIR:-target}/tools
mkdir -p "$tools"
phoenix=$(cd "$tools" && pwd)/phoenix-${state:0:12}
if [[ ! -e $phoenix/complete ]]; then
    echo "installing Arize Phoenix into $phoenix (once)"
    rm -rf "$phoenix"
    python3 -m venv "$phoenix/venv"
    # all that is needed is in the lock file; pip would not find its extras there
    "$phoenix/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps --require-hashes \
        --requirement "$locks"
    touch "$phoenix/complete"
fi

cargo build --locked --package conformance
windtunnel=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/windtunnel
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset "${!OTEL_@}"
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
timeout --kill-after=5 240 python3 ci/traces/traces.py "$windtunnel" "$phoenix/venv/bin/python" "$folder"
