#!/usr/bin/env bash
# Builds etcd, kube-apiserver and kubectl from their pinned Go modules, once for each go.sum, lays the Gateway API's CRDs
# (experimental channel) beside them, and prints the folder. Usage: export KUBEBUILDER_ASSETS=$(ci/kube/build.sh)
set -euo pipefail
cd "$(dirname "$0")"

command -v go >/dev/null || { echo "error: go is needed: https://go.dev/dl" >&2; exit 2; }
hash=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
assets=${XDG_CACHE_HOME:-$HOME/.cache}/windtunnel/kube-$hash
mkdir -p "$(dirname "$assets")"
# whoever comes meanwhile waits for it
exec 9>"$assets.lock"
! command -v flock >/dev/null || flock 9
if [[ ! -e $assets ]]; then
    echo "building kube-apiserver, etcd and kubectl into $assets (once, some minutes)" >&2
    new=$(mktemp -d "$assets.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$new/" \
        go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
    mv "$new/server" "$new/etcd"
    # nothing is built of it, so nothing has fetched it
    go mod download sigs.k8s.io/gateway-api
    gateway_api=$(go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)
    mkdir "$new/gateway-api"
    cp "$gateway_api"/config/crd/experimental/gateway.networking.k8s.io_*.yaml "$new/gateway-api/"
    chmod -R u+w "$new"
    # where there is no flock, somebody else may have been quicker
    mv -T "$new" "$assets" || [[ -e $assets ]]
fi
echo "$assets"
