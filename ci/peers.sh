#!/usr/bin/env bash
# Our gateway beside others, in front of one mock provider, with the floor: `windtunnel bench` with paired windows.
#   ci/peers.sh                                      nginx and haproxy
#   ci/peers.sh nginx haproxy litellm portkey        those that are named
#   ci/peers.sh nginx -- --connections 32            what follows -- goes to `windtunnel bench`
# Installs what is missing where it may: nginx and haproxy by apt, LiteLLM into a virtual environment and Portkey into a
# folder, both below target/peers. WINDTUNNEL_BINARY is measured instead of a fresh release build. For a quiet machine, outside the gate. Exit codes are those of the benchmark.
set -euo pipefail
cd "$(dirname "$0")/.."

peers=()
while (($#)) && [[ $1 != -- ]]; do
    case $1 in
        nginx | haproxy | litellm | portkey) peers+=("$1") ;;
        *) echo "no peer is called $1; there are nginx, haproxy, litellm, portkey" >&2; exit 2 ;;
    esac
    shift
done
if (($#)); then shift; fi
if ((!${#peers[@]})); then peers=(nginx haproxy); fi

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/peers"
target=$(cd "$target" && pwd)
home=$target/peers

package() {
    command -v "$1" >/dev/null && return
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "$1 is missing; install the package $1" >&2
        exit 2
    fi
    apt-get update -qq
    # In this run level no service is started.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

for peer in "${peers[@]}"; do
    case $peer in
        nginx | haproxy) package "$peer" ;;
        litellm)
            if [[ ! -x $home/litellm/bin/litellm ]]; then
                python3 -m venv "$home/litellm"
                "$home/litellm/bin/pip" install --quiet --requirement ci/peers/litellm.txt
            fi
            ;;
        portkey)
            if [[ ! -d $home/portkey/node_modules ]] || ! cmp -s ci/peers/portkey.json "$home/portkey/package.json"; then
                rm -rf "$home/portkey"
                mkdir -p "$home/portkey"
                cp ci/peers/portkey.json "$home/portkey/package.json"
                npm install --prefix "$home/portkey" --no-audit --no-fund --silent
            fi
            ;;
    esac
done

windtunnel=${WINDTUNNEL_BINARY:-}
if [[ -z $windtunnel ]]; then
    cargo build --release --locked --package conformance
    windtunnel=$target/release/windtunnel
fi

folder=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap finish EXIT

port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Waits until somebody accepts at a port, at most two minutes.
await() {
    for _ in $(seq 1200); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return; fi
        sleep 0.1
    done
    echo "$1 did not listen on port $2:" >&2
    tail -20 "$folder/$1.log" >&2
    exit 2
}

# The file with its places filled in.
fill() {
    sed -e "s|@PROVIDER@|$provider|g" -e "s|@PORT@|$2|g" -e "s|@FOLDER@|$folder|g" "ci/peers/$1" >"$folder/$1"
}

start() {
    local name=$1
    shift
    "$@" >"$folder/$name.log" 2>&1 &
    pids+=($!)
}

mock_port=$(port)
provider=127.0.0.1:$mock_port
fill mock.yaml "$mock_port"
# The provider keeps the pace that the benchmark is told.
for ((at = 1; at <= $#; at++)); do
    next=$((at + 1))
    case ${!at} in
        --pace=*) pace=${!at#--pace=} ;;
        --pace) pace=${!next:-} ;;
    esac
done
if [[ -n ${pace:-} ]]; then echo "    latency: {itl: $pace}" >>"$folder/mock.yaml"; fi
start mock "$windtunnel" mock --config "$folder/mock.yaml"
await mock "$mock_port"

ours=$(port)
sed -e "s|HOST|127.0.0.1|" -e "s|PORT|$mock_port|" conformance/src/bench/stand/manifests.yaml >"$folder/gateway.yaml"
start gateway "$windtunnel" gateway --config "$folder/gateway.yaml" --listen "8080=127.0.0.1:$ours" --no-admin \
    --metrics 127.0.0.1:0 --ready 127.0.0.1:0 --log-format json
await gateway "$ours"

targets=(--target "windtunnel=http://127.0.0.1:$ours")
for peer in "${peers[@]}"; do
    at=$(port)
    case $peer in
        nginx)
            nginx -v
            fill nginx.conf "$at"
            start nginx nginx -c "$folder/nginx.conf" -p "$folder" -g 'daemon off;'
            ;;
        haproxy)
            haproxy -v | sed -n 1p
            fill haproxy.cfg "$at"
            start haproxy haproxy -f "$folder/haproxy.cfg"
            ;;
        litellm)
            cat ci/peers/litellm.txt
            fill litellm.yaml "$at"
            # As open as the others here, and with its own list of prices.
            start litellm env LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true \
                LITELLM_LOCAL_MODEL_COST_MAP=True "$home/litellm/bin/litellm" --config "$folder/litellm.yaml" --host 127.0.0.1 --port "$at"
            ;;
        portkey)
            # With a newer adapter to Node its streams are a 500: it edits headers that must not be edited there.
            grep @portkey-ai ci/peers/portkey.json
            # Its requests say where the provider is; the others pass these headers by.
            set -- --header "x-portkey-provider: openai" --header "x-portkey-custom-host: http://$provider/v1" "$@"
            start portkey node "$home/portkey/node_modules/@portkey-ai/gateway/build/start-server.js" "--port=$at" --headless
            ;;
    esac
    await "$peer" "$at"
    targets+=(--target "$peer=http://127.0.0.1:$at")
done

"$windtunnel" bench "${targets[@]}" --provider "http://$provider" --floor builtin "$@"
