#!/usr/bin/env bash
# The charts: that they say what the binary says, lint, what they render (ci/helm/snapshots; --update writes them anew),
# what their schemas refuse; then, on a real API server, a dry run of every manifest and a rehearsal of ci/kind/run.sh.
# With ci/helm.sh --update nothing is compared with snapshots. Fails when Go or the API server cannot be built.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(ci/tools/build.sh)
PATH=$tools:$PATH
KUBEBUILDER_ASSETS=${KUBEBUILDER_ASSETS:-$(ci/kube/build.sh)}
export PATH KUBEBUILDER_ASSETS
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
update=${1:-}

# compares a file of the repository with what it should be
same() {
    if [[ $update == --update ]]; then
        cp "$2" "$1"
    elif ! diff -u "$1" "$2"; then
        echo "error: $1 is not up to date; ci/helm.sh --update writes it" >&2
        exit 1
    fi
}

cargo build -p conformance --locked
windtunnel=${CARGO_TARGET_DIR:-target}/debug/windtunnel
"$windtunnel" schema crds >"$scratch/crds.yaml"
"$windtunnel" controller --rbac >"$scratch/rbac.json"
same ci/helm/windtunnel-crds/crds.yaml "$scratch/crds.yaml"
same ci/helm/windtunnel/rbac.json "$scratch/rbac.json"

version=$("$windtunnel" --version | sed 's/.* //')
for chart in windtunnel-crds windtunnel; do
    for key in version appVersion; do
        grep -qx "$key: $version" "ci/helm/$chart/Chart.yaml" || {
            echo "error: ci/helm/$chart/Chart.yaml: $key is not $version" >&2
            exit 1
        }
    done
    helm lint --strict --quiet "ci/helm/$chart"
done

for values in ci/helm/values/*.yaml; do
    name=$(basename "$values" .yaml)
    helm lint --strict --quiet ci/helm/windtunnel --values "$values"
    helm template windtunnel ci/helm/windtunnel --namespace windtunnel-system --values "$values" >"$scratch/$name.yaml"
    same "ci/helm/snapshots/$name.yaml" "$scratch/$name.yaml"
done

# what the chart must refuse, and how it says so
refuses() {
    local said=$1
    shift
    if helm template windtunnel ci/helm/windtunnel "$@" >"$scratch/wrong" 2>&1; then
        echo "error: the chart takes $*" >&2
        exit 1
    fi
    grep -qF -- "$said" "$scratch/wrong" || {
        cat "$scratch/wrong" >&2
        echo "error: the chart does not say \"$said\" of $*" >&2
        exit 1
    }
}
refuses "additional properties 'replica' not allowed" --set controller.replica=2
refuses "missing property 'replicas'" --set controller.replicas=null
refuses "'/image/pullPolicy': value must be one of" --set image.pullPolicy=never
refuses "'latest' does not match pattern" --set image.digest=latest
refuses "'/mocks/ports': got number, want array" --set mocks.ports=8090
refuses "'/controller/podLabels/tier': got number, want string" --set controller.podLabels.tier=1
refuses "invalid propertyName 'helm.sh/chart'" --set 'commonLabels.helm\.sh/chart=a'
refuses "minimum: got -1, want 0" --set dataPlane.shutdown.min=-1
refuses "dataPlane.shutdown: max (65 s) is less than min (70 s)" --set dataPlane.shutdown.min=70
scaled='autoscaling=[{"namespace": "default", "gateway": "llm", "maxReplicas": 4, "minReplicas": 5}]'
refuses "autoscaling of default/llm: maxReplicas (4) is less than minReplicas (5)" --set-json "$scaled"
refuses "leave dataPlane.replicas at null" --set-json "$scaled" --set dataPlane.replicas=2
refuses 'mocks.config.providers.b: listen is "", where nobody reaches it' --set mocks.enabled=true,mocks.config.providers.b.dialect=anthropic
refuses "no provider of mocks.config listens at the first, 9000" --set mocks.enabled=true --set-json 'mocks.ports=[9000, 8090]'

cargo test -p conformance --locked --test cluster charts:: 2>&1 | tee "$scratch/log"
grep -qE '^test result: ok\. 2 passed; 0 failed; 0 ignored' "$scratch/log" || {
    echo "error: the tests of the charts were left out" >&2
    exit 1
}
