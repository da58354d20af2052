#!/usr/bin/env bash
# The stack of ci/compose, as far as it goes without images: the file as `docker compose` reads it, what is mounted where,
# and gateway, mocks and Prometheus as processes that get the commands, mounts, users and environment of their containers.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
for needed in prometheus:prometheus promtool:prometheus bwrap:bubblewrap ip:iproute2 unshare:util-linux curl:curl wget:wget; do
    command -v "${needed%:*}" >/dev/null || packages+=("${needed#*:}")
done
if ((${#packages[@]})); then
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "error: install these packages: ${packages[*]}" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
for needed in go:https://go.dev/dl python3:https://www.python.org; do
    command -v "${needed%%:*}" >/dev/null || { echo "error: ${needed%%:*} is needed: ${needed#*:}" >&2; exit 1; }
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
go build -C ci/compose/check -o "$folder/read" .
unset "${!OTEL_@}" "${!COMPOSE_@}" WINDTUNNEL_IMAGE PROMETHEUS_IMAGE TEMPO_IMAGE GRAFANA_IMAGE GRAFANA_PASSWORD
"$folder/read" ci/compose/compose.yaml >"$folder/default.json"
WINDTUNNEL_IMAGE=other/windtunnel:1 PROMETHEUS_IMAGE=other/prometheus:1 TEMPO_IMAGE=other/tempo:1 \
    GRAFANA_IMAGE=other/grafana:1 GRAFANA_PASSWORD=admin "$folder/read" ci/compose/compose.yaml >"$folder/other.json"

export PYTHONDONTWRITEBYTECODE=1
python3 ci/compose/check/file.py "$folder/default.json" "$folder/other.json"
promtool check config ci/observability/prometheus/prometheus.yaml

if [[ -z ${WINDTUNNEL:-} ]]; then
    cargo build --locked --package conformance
    WINDTUNNEL=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/windtunnel
fi
"$WINDTUNNEL" mock --config ci/compose/mocks/mocks.yaml --lint
# a network of its own: the containers' ports are free there, and nothing else can be reached
timeout --kill-after=5 180 unshare --map-root-user --net python3 ci/compose/check/stack.py "$folder/default.json" "$WINDTUNNEL"
echo "not verifiable here: the images of Prometheus, Tempo and Grafana, Grafana's health check, and what Tempo and Grafana make of their files"
