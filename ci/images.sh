#!/usr/bin/env bash
# The image, what only containers can tell, and the suite with each scenario's gateway in a container. Installs Docker where
# it may, starts an engine of its own where none answers and ends it again. Fails when there is no Docker, when a test did not
# run, when a scenario failed or too few of them ran, and when something is left. Usage: ci/images.sh [STATIC BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
engine=
end() {
    if [[ -n $engine ]]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" || true
        # the network namespaces that it kept
        awk -v work="$work/" 'index($2, work) == 1 {print $2}' /proc/mounts | xargs --no-run-if-empty umount
    fi
    rm -rf "$work"
}
trap end EXIT

fail() {
    echo "error: $*" >&2
    exit 1
}

install() {
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        fail "$* missing, and may not be installed here"
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Socket, pid and state are its own: what an engine that died has left is not in its way.
start_engine() {
    command -v dockerd >/dev/null || install docker.io iptables
    export DOCKER_HOST=unix://$work/docker.sock
    dockerd --host "$DOCKER_HOST" --pidfile "$work/docker.pid" --exec-root "$work/exec" >"$work/dockerd.log" 2>&1 &
    engine=$!
    for _ in $(seq 120); do
        docker info >/dev/null 2>&1 && return
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.5
    done
    tail -n 20 "$work/dockerd.log" >&2
    fail "the engine does not start"
}

command -v busybox >/dev/null || install busybox-static
command -v curl >/dev/null || install curl
docker info >/dev/null 2>&1 || start_engine

binary=${1:-$(ci/binary.sh)}
ci/images/build.sh "$binary"
WINDTUNNEL_IMAGE=windtunnel:$("$binary" --version | cut -d ' ' -f 2)
export WINDTUNNEL_IMAGE

tests=(--locked --manifest-path ci/images/tests/Cargo.toml)
cargo fmt --check --manifest-path ci/images/tests/Cargo.toml
cargo clippy --quiet "${tests[@]}" --all-targets -- -D warnings
cargo run --quiet "${tests[@]}" -- --test-threads 1 2>&1 | tee "$work/tests"
grep -qE '^test result: ok\. [1-9][0-9]* passed; 0 failed; 0 ignored' "$work/tests" ||
    fail "container tests were left out, or there are none"

"$binary" run --target docker 2>&1 | tee "$work/suite"
ran=$(grep -cE '^pass ' "$work/suite" || true)
((ran >= 150)) || fail "only $ran scenarios passed with the target docker"

# Docker removes a container some time after its command has ended.
left() { docker ps --all --format '{{.Names}}' --filter 'name=^windtunnel-[0-9]+-'; }
for _ in $(seq 20); do
    [[ -z $(left) ]] && exit
    sleep 0.5
done
fail "containers are left: $(left)"
