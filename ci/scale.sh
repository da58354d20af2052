#!/usr/bin/env bash
# What a request costs with 10,000 routes, 1,000 providers, 8,000 idle streams, prompts of 10 MiB and after a million
# requests: `ci/scale.sh`, or `ci/scale.sh target/release/windtunnel` for a gateway that is built already. For a quiet
# machine, outside the gate; it takes some five minutes, and fails when a bound is broken.
set -euo pipefail
cd "$(dirname "$0")/.."

# 8,000 streams are 16,000 connections for the gateway, and as many for client and provider together.
most=$(ulimit -Hn)
if [[ $most != unlimited ]] && ((most < 17000)); then
    echo "a process may have $most open files here; this needs 17,000 (ulimit -Hn)" >&2
    exit 2
fi
ulimit -n 17000
binary=${1:-}
if [[ -z $binary ]]; then
    cargo build --release --locked --package conformance
    binary=${CARGO_TARGET_DIR:-target}/release/windtunnel
fi
cargo run --release --locked --package benches --example scale -- "$binary"
