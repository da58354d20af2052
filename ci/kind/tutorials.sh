# The five tutorials as docs/tutorials tells them, each from an empty namespace to an answer, and away again.

# Makes a namespace, unless it is there, with the certificate of the mocks.
in_namespace() {
    kubectl get namespace "$1" >/dev/null 2>&1 || kubectl create namespace "$1"
    kubectl create configmap mocks-ca -n "$1" "--from-file=ca.pem=$scratch/ca.pem" --dry-run=client -o yaml | kubectl apply -f -
}

secret() { kubectl create secret generic "$2" -n "$1" "--from-literal=$3" --dry-run=client -o yaml | kubectl apply -f -; }

# The Gateway that some tutorials take for granted.
own_gateway() {
    kubectl apply -f - <<END
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: $2, namespace: $1}
spec: {gatewayClassName: agentgateway, listeners: [{name: http, port: $3, protocol: HTTP}]}
END
}

up() {
    kubectl wait "gateway/$2" -n "$1" --for=condition=Programmed --timeout=60s
    gateway_up "$1" "$2" "$3"
}

down() {
    kubectl delete gateway "$2" -n "$1"
    gateway_down "$1" "$2"
}

# Asks until the answer has the status and the text, for a minute: a kube-proxy or a Pod may be a moment behind.
ask() {
    local path=$1 model=$2 status=$3 text=$4 until=$((SECONDS + 60)) answer
    while true; do
        answer=$(curl -s -w '\n%{http_code}' "$ASK$path" -H 'content-type: application/json' \
            -d "{\"model\": \"$model\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}" || true)
        [[ $answer == *"$text"* && ${answer##*$'\n'} == "$status" ]] && break
        ((SECONDS < until)) || { echo "error: $path answers $answer instead of $status and $text" >&2; exit 1; }
        sleep 0.1
    done
    echo "POST $path: $status $text"
}

tutorial_000() {
    local namespace=enterprise-agentgateway
    in_namespace $namespace
    secret $namespace openai-secret 'Authorization=Bearer sk-rehearsal'
    own_gateway $namespace agentgateway 8080
    kubectl apply -f docs/tutorials/000.yaml
    up $namespace agentgateway 8080
    ask /openai gpt-4o-mini 200 'An AI gateway.'
    kubectl delete -f docs/tutorials/000.yaml
    down $namespace agentgateway
}

tutorial_001() {
    in_namespace "$SYSTEM"
    secret "$SYSTEM" openai-secret 'Authorization=Bearer sk-rehearsal'
    own_gateway "$SYSTEM" agentgateway 8080
    # its document is broken, and mended as the page says
    if kubectl apply -f docs/tutorials/001.yaml; then
        echo "error: kubectl takes docs/tutorials/001.yaml" >&2
        exit 1
    fi
    sed 's/openai: {}/openai:/' docs/tutorials/001.yaml >"$scratch/001.yaml"
    kubectl apply -f "$scratch/001.yaml"
    up "$SYSTEM" agentgateway 8080
    ask /openai gpt-4o-mini 200 'An AI gateway.'
    kubectl delete -f "$scratch/001.yaml"
    down "$SYSTEM" agentgateway
}

tutorial_002() {
    kubectl apply -f docs/tutorials/002.yaml
    up "$SYSTEM" agentgateway-proxy 8080
    ask /openai/chat/completions gpt-4o-mini 200 'An AI gateway.'
    down "$SYSTEM" agentgateway-proxy
    kubectl delete -f docs/tutorials/002.yaml --ignore-not-found
}

tutorial_003() {
    secret "$SYSTEM" openai-api-key apiKey=sk-old
    kubectl apply -f docs/tutorials/003.yaml
    up "$SYSTEM" llm-gateway 80
    ask /v1/chat/completions gpt-4o-mini 200 'An AI gateway.'
    secret "$SYSTEM" openai-api-key apiKey=sk-new
    kubectl get airoute openai-route -n "$SYSTEM" -o yaml >"$scratch/openai-route.yaml"
    kubectl delete airoute openai-route -n "$SYSTEM"
    ask /v1/chat/completions gpt-4o-mini 404 error
    kubectl apply -f "$scratch/openai-route.yaml"
    ask /v1/chat/completions gpt-4o-mini 200 'An AI gateway.'
    down "$SYSTEM" llm-gateway
    kubectl delete -f docs/tutorials/003.yaml --ignore-not-found
}

tutorial_004() {
    own_gateway "$SYSTEM" agentgateway-proxy 80
    kubectl apply -f docs/tutorials/004.yaml
    up "$SYSTEM" agentgateway-proxy 80
    ask /v1/chat/completions '' 200 'agentgateway works'
    kubectl delete httproute local-llm -n "$SYSTEM"
    ask /v1/chat/completions '' 200 'agentgateway works'
    down "$SYSTEM" agentgateway-proxy
    kubectl delete -f docs/tutorials/004.yaml --ignore-not-found
}
