# What ci/kind/run.sh --rehearse has in the place of nodes: what a Deployment or Job says of its container is read from the
# API server, and run as a process here with the rights of its service account. All addresses are on loopback.

processes=()

create_cluster() {
    : "${KUBECONFIG:?names the API server of the rehearsal}"
    # what processes have as standard input: it ends with this one, however that ends
    mkfifo "$scratch/life"
    exec 9<>"$scratch/life"
    kubectl config view --raw --minify --flatten >"$scratch/admin"
    export KUBECONFIG=$scratch/admin
    [[ -z $(kubectl get nodes -o name) ]] || { echo "error: this cluster has nodes; a rehearsal would be no rehearsal" >&2; exit 2; }
    echo "left out, as there are no nodes: the image and its loading, Pods, probes by the kubelet, NodePorts and port mappings,"
    echo "mounted volumes, DNS of Services, garbage collection of what belongs to a deleted Gateway"
}

# Starts a process with its output in a log; its words are the environment and the command.
start() {
    local log=$1
    shift
    # at once: nobody is to read what the process before has said
    : >"$log"
    env "$@" >>"$log" 2>&1 <"$scratch/life" 9>&- &
    processes+=($!)
}

# Waits until a log says something, and prints the first line that does.
says() {
    local log=$1 text=$2 until=$((SECONDS + 60))
    until grep -m 1 -E "$text" "$log"; do
        ((SECONDS < until)) || { echo "error: $log never says $text:" >&2; cat "$log" >&2; return 1; }
        sleep 0.1
    done
}

start_mocks() {
    cat >"$scratch/mocks.yaml" <<END
providers:
  openai: {listen: "127.0.0.1:0", tls: true, respond: {text: An AI gateway.}}
  local: {listen: "127.0.0.1:0", respond: {text: agentgateway works}}
END
    start "$scratch/mocks.log" "$WINDTUNNEL" mock "--config=$scratch/mocks.yaml" "--write-ca=$scratch/ca.pem" --until-stdin-ends
    OPENAI=$(says "$scratch/mocks.log" provider=openai | sed 's|.*//||')
    LOCAL=$(says "$scratch/mocks.log" provider=local | sed 's|.*//||')
}

# A kubeconfig with a fresh token of a service account.
kubeconfig_of() {
    local namespace=$1 account=$2 file=$scratch/$1-$2.kubeconfig token
    token=$(kubectl create token -n "$namespace" "$account")
    cp "$scratch/admin" "$file"
    kubectl --kubeconfig "$file" config set-credentials account "--token=$token" >/dev/null
    kubectl --kubeconfig "$file" config set-context own --user=account "--namespace=$namespace" \
        "--cluster=$(kubectl config view -o jsonpath='{.clusters[0].name}')" >/dev/null
    kubectl --kubeconfig "$file" config use-context own >/dev/null
    echo "$file"
}

# What the first container of an object says, one a line: its arguments, or its environment as far as it is plain.
arguments() { kubectl get "$2" -n "$1" -o jsonpath='{range .spec.template.spec.containers[0].args[*]}{@}{"\n"}{end}'; }
environment() {
    kubectl get "$2" -n "$1" -o jsonpath='{range .spec.template.spec.containers[0].env[?(@.value)]}{.name}={.value}{"\n"}{end}'
}

controller_ready() {
    local words address until=$((SECONDS + 60))
    mapfile -t words < <(arguments "$SYSTEM" deployment/windtunnel-controller | sed 's/^--ready=.*/--ready=127.0.0.1:0/')
    kubeconfig_of "$SYSTEM" windtunnel-controller >"$scratch/file"
    start "$scratch/controller.log" "KUBECONFIG=$(<"$scratch/file")" "$WINDTUNNEL" "${words[@]}" --until-stdin-ends
    address=$(says "$scratch/controller.log" '^ready address=' | sed 's/.*=//')
    until curl -sf "http://$address/healthz/ready"; do
        ((SECONDS < until)) || { cat "$scratch/controller.log" >&2; exit 1; }
        sleep 0.1
    done
    says "$scratch/controller.log" '^leading$'
}

mocks_ca() { :; }

gateway_up() {
    local namespace=$1 name=$2 port=$3 log=$scratch/gateway.log words variables
    mapfile -t words < <(arguments "$namespace" "deployment/$name")
    mapfile -t variables < <(environment "$namespace" "deployment/$name")
    kubeconfig_of "$namespace" "$name" >"$scratch/file"
    start "$log" "${variables[@]}" "KUBECONFIG=$(<"$scratch/file")" "WINDTUNNEL_UPSTREAM_CA=$scratch/ca.pem" WINDTUNNEL_METRICS=127.0.0.1:0 \
        WINDTUNNEL_READY=127.0.0.1:0 WINDTUNNEL_NO_ADMIN=true "WINDTUNNEL_LISTEN=$port=127.0.0.1:0" "$WINDTUNNEL" "${words[@]}" --until-stdin-ends
    plane=$!
    ASK=http://$(says "$log" "^listening port=$port " | sed 's/.*address=//')
    says "$log" '^serving$' >/dev/null
}

gateway_down() {
    kill "$plane"
    wait "$plane" || { echo "error: the data plane does not end well:" >&2; cat "$scratch/gateway.log" >&2; exit 1; }
    kubectl delete -n "$1" "service/$2" "deployment/$2" "serviceaccount/$2"
}

conformance_report() {
    local words
    mapfile -t words < <(arguments "$SYSTEM" "job/windtunnel-conformance-$1")
    kubeconfig_of "$SYSTEM" windtunnel-conformance >"$scratch/file"
    KUBECONFIG=$(<"$scratch/file") "$WINDTUNNEL" "${words[@]}"
}

finish() {
    kill "${processes[@]}" 2>/dev/null || true
    wait
    [[ $1 == 0 ]] || tail -n 20 "$scratch"/*.log || true
    rm -rf "$scratch"
    exit "$1"
}
