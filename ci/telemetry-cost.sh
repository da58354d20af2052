#!/usr/bin/env bash
# What log, metrics and 1 % sampling cost a request: CPU time with and without them, in paired windows at the same rate.
# For a quiet machine, outside the gate: it prints figures and fails only when something does not work.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo bench --locked --package benches --bench telemetry_cost
