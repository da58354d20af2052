#!/usr/bin/env bash
# The image, what only containers can tell, and the suite with each scenario's gateway in a container. Installs Docker where
# it may, starts an engine where none runs and ends it again. Fails when there is no Docker, when a test did not run, and when
# a scenario failed or too few of them ran. Usage: ci/images.sh [STATIC BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
engine=
end() {
    rm -f "$log"
    if [[ -n $engine ]]; then
        kill "$engine"
        wait "$engine" || true
    fi
}
trap end EXIT

install() {
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "error: $* missing, and may not be installed here" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
command -v busybox >/dev/null || install busybox-static
command -v curl >/dev/null || install curl
if ! docker info >/dev/null 2>&1; then
    command -v dockerd >/dev/null || install docker.io iptables
    dockerd >"${TMPDIR:-/tmp}/dockerd.log" 2>&1 &
    engine=$!
    for _ in $(seq 60); do
        docker info >/dev/null 2>&1 && break
        sleep 0.5
    done
    docker info >/dev/null || { tail -n 20 "${TMPDIR:-/tmp}/dockerd.log" >&2; exit 1; }
fi

# No cargo-auditable, no list of dependencies in the binary: the image would not be what it says.
tools=${CARGO_TARGET_DIR:-$PWD/target}/tools
export PATH=$tools/bin:$PATH
if (($# == 0)) && ! cargo auditable --version >/dev/null 2>&1; then
    cargo install --locked --quiet --version 0.7.7 --root "$tools" cargo-auditable
fi
ci/images/build.sh "$@"
WINDTUNNEL_IMAGE=windtunnel:$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
export WINDTUNNEL_IMAGE

cargo fmt --check --manifest-path ci/images/tests/Cargo.toml
cargo run --quiet --locked --manifest-path ci/images/tests/Cargo.toml -- --test-threads 1 2>&1 | tee "$log"
grep -qE '^test result: ok\. [1-9][0-9]* passed; 0 failed; 0 ignored' "$log" || {
    echo "error: container tests were left out, or there are none" >&2
    exit 1
}

cargo run -p conformance --locked -- run --target docker 2>&1 | tee "$log"
ran=$(grep -cE '^pass ' "$log" || true)
if ((ran < 150)); then
    echo "error: only $ran scenarios passed with the target docker" >&2
    exit 1
fi
