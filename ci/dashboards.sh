#!/usr/bin/env bash
# The dashboard, rules and alerts of ci/observability in a real Prometheus: rules and their tests by promtool, then every
# panel, variable and rule over a mixed run through the gateway, compared with the client's book and the mocks' journal.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "prometheus or promtool is missing; install the package prometheus" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
fi

promtool check config ci/observability/prometheus/prometheus.yaml
promtool test rules ci/observability/prometheus/rules_test.yaml

export PYTHONDONTWRITEBYTECODE=1
cargo build --locked --package conformance
timeout --kill-after=5 180 python3 ci/dashboards.py "${CARGO_TARGET_DIR:-target}/debug/windtunnel"
