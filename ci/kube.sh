#!/usr/bin/env bash
# What only a real Kubernetes API server can tell: the cluster tests, then the suite with its manifests as objects, against
# a server that is built here (ci/kube), or the one that KUBEBUILDER_ASSETS names. Fails when there is none, when a test
# did not run, and when a scenario failed or too few of them ran.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${KUBEBUILDER_ASSETS:-} ]]; then
    KUBEBUILDER_ASSETS=$(ci/kube/build.sh)
fi
export KUBEBUILDER_ASSETS
# it would name a cluster of somebody's
unset KUBECONFIG
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test -p conformance --locked --test cluster 2>&1 | tee "$log"
grep -qE '^test result: ok\. [1-9][0-9]* passed; 0 failed; 0 ignored' "$log" || {
    echo "error: cluster tests were left out, or there are none" >&2
    exit 1
}

cargo run -p conformance --locked -- run --target kubernetes --long 2>&1 | tee "$log"
ran=$(grep -cE '^pass ' "$log" || true)
if ((ran < 150)); then
    echo "error: only $ran scenarios passed with the target kubernetes" >&2
    exit 1
fi
