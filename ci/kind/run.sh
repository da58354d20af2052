#!/usr/bin/env bash
# The tutorials and the conformance Job on a kind cluster of its own: creates it, loads the image, installs the charts,
# applies the tutorials' documents, asks by curl at localhost:8080, runs the Job, prints its report, takes the release
# back and deletes the cluster.
#
#   ci/kind/run.sh [--keep]         --keep leaves the cluster
#   ci/kind/run.sh --rehearse       the same without nodes, on the API server of KUBECONFIG: the containers that charts and
#                                   controller describe run as processes here, with the rights of their service accounts
#
# Variables, with what they are when unset:
#   IMAGE        windtunnel:VERSION, which ci/images/build.sh builds; all that runs but the mocks
#   MOCKS_IMAGE  IMAGE-debug; it needs a shell
#   NODE_IMAGE   the one of kind's release
#   CLUSTER      windtunnel
#   PORT         8080, on this machine's loopback
#   SCENARIOS    --profile core; words for `windtunnel run`
#   GATEWAY_API  the address of its CRDs v1.5.1, experimental channel; a file or a folder will do
#   WINDTUNNEL   target/debug/windtunnel, for a rehearsal
# Nothing is fetched but NODE_IMAGE and GATEWAY_API.
set -euo pipefail
cd "$(dirname "$0")/../.."

keep='' rehearse=''
for word in "$@"; do
    case $word in
        --keep) keep=1 ;;
        --rehearse) rehearse=1 ;;
        -h | --help)
            # the lines above are the help
            sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' ci/kind/run.sh
            exit 0
            ;;
        *) echo "error: unknown word $word; ci/kind/run.sh [--keep|--rehearse]" >&2; exit 2 ;;
    esac
done

version=$(sed -n 's/^appVersion: //p' ci/helm/windtunnel/Chart.yaml)
IMAGE=${IMAGE:-windtunnel:$version}
case ${IMAGE##*/} in
    *@*) echo "error: IMAGE=$IMAGE: kind loads images by their tags; give it one" >&2; exit 2 ;;
    *:*) ;;
    *) IMAGE=$IMAGE:latest ;;
esac
MOCKS_IMAGE=${MOCKS_IMAGE:-$IMAGE-debug}
NODE_IMAGE=${NODE_IMAGE:-}
CLUSTER=${CLUSTER:-windtunnel}
PORT=${PORT:-8080}
SCENARIOS=${SCENARIOS:---profile core}
GATEWAY_API=${GATEWAY_API:-https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.5.1/experimental-install.yaml}
WINDTUNNEL=${WINDTUNNEL:-target/debug/windtunnel}
SYSTEM=agentgateway-system

needed=(kubectl helm curl)
[[ $rehearse ]] || needed+=(kind docker)
for tool in "${needed[@]}"; do
    command -v "$tool" >/dev/null || { echo "error: $tool is needed (ci/tools/build.sh builds helm and kind)" >&2; exit 2; }
done

scratch=$(mktemp -d)
source ci/kind/cluster.sh
if [[ $rehearse ]]; then
    source ci/kind/rehearsal.sh
fi
source ci/kind/tutorials.sh
trap 'finish $?' EXIT

step() { echo "=== $*"; }

step "cluster"
create_cluster
step "the Gateway API and the CRDs"
kubectl apply --server-side -f "$GATEWAY_API" >/dev/null
kubectl create namespace "$SYSTEM"
helm upgrade -i --namespace "$SYSTEM" windtunnel-crds ci/helm/windtunnel-crds
kubectl wait --for=condition=Established --timeout=60s crd --all >/dev/null

step "the control plane"
start_mocks
cat >"$scratch/values.yaml" <<END
image: {repository: "${IMAGE%:*}", tag: "${IMAGE##*:}"}
controller: {lease: 3s}
dataPlane:
  replicas: 1
  shutdown: {min: 1, max: 5}
  env:
    - {name: WINDTUNNEL_CONNECT_TO, value: "api.openai.com:443=$OPENAI,host.docker.internal:8090=$LOCAL"}
    - {name: WINDTUNNEL_UPSTREAM_CA, value: /etc/mocks/ca.pem}
  deployment:
    spec: {template: {spec: {volumes: [{name: mocks-ca, configMap: {name: mocks-ca}}], containers: [{name: gateway, volumeMounts: [{name: mocks-ca, mountPath: /etc/mocks}]}]}}}
mocks:
  enabled: true
  image: "$MOCKS_IMAGE"
  ports: [8090, 9443]
  config:
    providers:
      openai: {listen: "0.0.0.0:9443", tls: true, respond: {text: An AI gateway.}}
      local: {listen: "0.0.0.0:8090", respond: {text: agentgateway works}}
conformance: {arguments: [$(printf '"%s",' $SCENARIOS)]}
END
install() { helm upgrade -i --namespace "$SYSTEM" windtunnel ci/helm/windtunnel --values "$scratch/values.yaml" "$@"; }
install
controller_ready
mocks_ca
kubectl wait gatewayclass/agentgateway --for=condition=Accepted --timeout=60s

for number in 000 001 002 003 004; do
    step "tutorial $number"
    "tutorial_$number"
done

step "conformance Job: $SCENARIOS"
install --set conformance.enabled=true
conformance_report 2

step "rollback and removal"
helm rollback --namespace "$SYSTEM" windtunnel 1
[[ -z $(kubectl get jobs -n "$SYSTEM" -o name) ]] || { echo "error: the rollback leaves the Job" >&2; exit 1; }
helm uninstall --namespace "$SYSTEM" windtunnel
[[ -z $(kubectl get deployments -n "$SYSTEM" -o name -l app.kubernetes.io/managed-by=Helm) ]] || { echo "error: Deployments stay" >&2; exit 1; }
helm uninstall --namespace "$SYSTEM" windtunnel-crds
kubectl get crd airoutes.agentgateway.dev >/dev/null
step "done"
