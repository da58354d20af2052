#!/usr/bin/env bash
# Minutes of mixed load (10) with provider faults, cancels and reloads: `ci/soak.sh 10`, or `ci/soak.sh 2
# target/debug/windtunnel` for a gateway that is built already. Prints memory, file descriptors and the balance of the
# books, and fails when a bound is broken. Outside the gate: it takes its time.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-10}
binary=${2:-$(ci/binary.sh)}
cargo run --locked --package benches --example soak -- "$minutes" "$binary"
