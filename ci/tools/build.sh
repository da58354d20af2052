#!/usr/bin/env bash
# Builds helm, kind and actionlint from their pinned Go modules, once for each go.sum, lays the CRDs of the Prometheus
# operator beside them (`monitoring`), and prints the folder. Usage: PATH=$(ci/tools/build.sh):$PATH
set -euo pipefail
cd "$(dirname "$0")"

command -v go >/dev/null || { echo "error: go is needed: https://go.dev/dl" >&2; exit 2; }
# no program of it is built: its module is taken for its CRDs alone, and the checksum stands here
operator=github.com/prometheus-operator/prometheus-operator@v0.85.0
operator_sum=h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=
hash=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/windtunnel/tools-$hash
mkdir -p "$(dirname "$tools")"
# whoever comes meanwhile waits for it
exec 9>"$tools.lock"
! command -v flock >/dev/null || flock 9
if [[ ! -e $tools ]]; then
    echo "building helm, kind and actionlint into $tools (once, some minutes)" >&2
    new=$(mktemp -d "$tools.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$new/" tool
    got=$(cd / && go mod download -json "$operator")
    grep -qF "\"Sum\": \"$operator_sum\"" <<<"$got" || { echo "error: $operator is not what it was" >&2; exit 1; }
    mkdir "$new/monitoring"
    crds=$(go env GOMODCACHE)/$operator/example/prometheus-operator-crd
    cp "$crds"/monitoring.coreos.com_{podmonitors,servicemonitors}.yaml "$new/monitoring/"
    chmod -R u+w "$new"
    # where there is no flock, somebody else may have been quicker
    mv -T "$new" "$tools" || [[ -e $tools ]]
fi
echo "$tools"
