# What ci/kind/run.sh does with nodes: the cluster, its images, its Pods. The rehearsal has its own of each of these.

OPENAI=windtunnel-mocks.$SYSTEM.svc:9443
LOCAL=windtunnel-mocks.$SYSTEM.svc:8090
ASK=http://localhost:$PORT

create_cluster() {
    local image
    for image in "$IMAGE" "$MOCKS_IMAGE"; do
        docker image inspect "$image" >/dev/null 2>&1 || {
            echo "error: there is no image $image for kind to load; ci/images/build.sh builds it, and Docker has to run" >&2
            exit 2
        }
    done
    sed "s/PORT/$PORT/" ci/kind/cluster.yaml >"$scratch/cluster.yaml"
    export KUBECONFIG=$scratch/kubeconfig
    # shellcheck disable=SC2086 # an image, or nothing
    kind create cluster --name "$CLUSTER" --config "$scratch/cluster.yaml" --wait 180s ${NODE_IMAGE:+--image $NODE_IMAGE}
    created=1
    kind load docker-image --name "$CLUSTER" "$IMAGE" "$MOCKS_IMAGE"
}

# the chart's Deployment does it
start_mocks() { :; }

controller_ready() {
    kubectl rollout status -n "$SYSTEM" deployment/windtunnel-controller --timeout=180s
    kubectl rollout status -n "$SYSTEM" deployment/windtunnel-mocks --timeout=180s
}

# The certificate that signs for api.openai.com, for data planes of both namespaces.
mocks_ca() {
    kubectl exec -n "$SYSTEM" deployment/windtunnel-mocks -- cat /tmp/ca.pem >"$scratch/ca.pem"
}

# Waits for a Gateway's Pods, and puts its port behind the one of the host.
gateway_up() {
    local namespace=$1 name=$2
    kubectl patch service "$name" -n "$namespace" --type=json \
        -p '[{"op": "replace", "path": "/spec/ports/0/nodePort", "value": 30080}]'
    kubectl rollout status -n "$namespace" "deployment/$name" --timeout=180s
}

# Whoever deletes the Gateway has deleted its Deployment and Service.
gateway_down() {
    kubectl wait -n "$1" "service/$2" "deployment/$2" --for=delete --timeout=120s
}

# Prints the report of a revision's Job, which ends by itself: it has a deadline.
conformance_report() {
    local job=job/windtunnel-conformance-$1 condition=''
    until [[ $condition == *Complete* || $condition == *Failed* ]]; do
        sleep 2
        condition=$(kubectl get -n "$SYSTEM" "$job" -o jsonpath='{.status.conditions[*].type}')
    done
    kubectl logs -n "$SYSTEM" "$job"
    [[ $condition == *Complete* ]] || { kubectl describe -n "$SYSTEM" "$job"; return 1; }
}

finish() {
    if [[ $1 != 0 && ${created:-} ]]; then
        kubectl get pods,gateways,events -A || true
    fi
    if [[ ${created:-} && ! $keep ]]; then
        kind delete cluster --name "$CLUSTER"
    elif [[ ${created:-} ]]; then
        # the one of this run goes away with its folder
        env -u KUBECONFIG kind export kubeconfig --name "$CLUSTER"
    fi
    rm -rf "$scratch"
    exit "$1"
}
