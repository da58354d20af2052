#!/usr/bin/env bash
# The official SDKs of OpenAI and Anthropic, for Python and for Node, against `windtunnel mock`: what they make of its
# answers and of unusual streams, when they try again, and what they throw.
# `ci/clients.sh python -k retried` and `ci/clients.sh node --test-name-pattern retried` are for one language.
set -euo pipefail
cd "$(dirname "$0")/.."

languages=(python node)
if (($#)); then
    languages=("$1")
    shift
fi

for program in python3 node npm; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is missing; Python 3.11 and Node 20 or later are needed" >&2
        exit 1
    fi
done

# Installed once for each state of the lock files and each version of the interpreters.
locks=(ci/clients/requirements.txt ci/clients/package.json ci/clients/package-lock.json)
state=$({ cat "${locks[@]}" && python3 --version && node --version; } | sha256sum)
tools=${CARGO_TARGET_DIR:-target}/tools
mkdir -p "$tools"
clients=$(cd "$tools" && pwd)/clients-${state:0:12}
if [[ ! -e $clients/complete ]]; then
    echo "installing the SDKs into $clients (once)"
    rm -rf "$clients"
    python3 -m venv "$clients/venv"
    "$clients/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
        --requirement "${locks[0]}"
    cp "${locks[@]:1}" "$clients"
    npm ci --prefix "$clients" --ignore-scripts --no-audit --no-fund --loglevel error
    touch "$clients/complete"
fi

cargo build --locked --package conformance
WINDTUNNEL=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/windtunnel
export WINDTUNNEL

# The SDKs read these; here they meet nobody but the mocks.
unset "${!OPENAI_@}" "${!AZURE_@}" "${!ANTHROPIC_@}"
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

folder=$(mktemp -d)
mocks=()
stop() {
    if ((${#mocks[@]})); then
        kill "${mocks[@]}" 2>/dev/null || true
        mocks=()
    fi
}
trap 'stop; rm -rf "$folder"' EXIT

# Starts mocks and exports MOCK_NAME=address for each provider and MOCK_ADMIN for the last ones; the line with the admin's
# address is their last.
start() {
    local line name
    exec {lines}< <(exec "$WINDTUNNEL" mock --admin 127.0.0.1:0 "$@")
    mocks+=($!)
    while read -r -t 30 -u "$lines" line; do
        case $line in
            'listening admin='*)
                line=${line#*admin=}
                export "MOCK_ADMIN=${line%/ready}"
                return
                ;;
            'listening provider='*)
                name=${line#*provider=}
                name=${name%% *}
                export "MOCK_${name^^}=${line#*address=}"
                ;;
        esac
    done
    echo "windtunnel mock $* does not come up" >&2
    return 1
}

test_python() {
    PYTHONDONTWRITEBYTECODE=1 \
        "$clients/venv/bin/python" -m pytest -p no:cacheprovider -q --tb=short ci/clients/python "$@"
}

test_node() {
    NODE_PATH=$clients/node_modules node --test --test-reporter=spec "$@" ci/clients/node/*.test.js
}

passed=0
failed=0
status=0
for language in "${languages[@]}"; do
    echo "--- $language"
    # Fresh ones for each: their sequences are counted.
    start --listen 127.0.0.1:0
    start --config mock-providers/scripts/framings.yaml
    start --config ci/clients/mocks.yaml
    "test_$language" "$@" 2>&1 | tee "$folder/$language" || status=1
    stop
    # pytest says `12 passed`, node `pass 12`.
    summary=$(tail -n 1000 "$folder/$language" | grep -oE '[0-9]+ (passed|failed)|^ℹ (pass|fail) [0-9]+' || true)
    passed=$((passed + $(grep pass <<<"$summary" | grep -oE '[0-9]+' | tail -n 1 || echo 0)))
    failed=$((failed + $(grep fail <<<"$summary" | grep -oE '[0-9]+' | tail -n 1 || echo 0)))
done
echo "$passed passed, $failed failed"
((status == 0 && failed == 0 && passed > 0))
