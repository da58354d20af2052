#!/usr/bin/env bash
# What the scripted provider costs: CPU per request against a bare hyper server with the same bytes, lateness of 2,000
# paced streams, memory of an idle one, time to be ready; then one exchange in criterion. For a quiet machine, outside
# the gate: it prints figures and fails only when something does not work.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked --package conformance
cargo bench --locked --package benches --bench mock_speed
cargo bench --locked --package benches --bench mock_round_trip -- --quick --noplot
