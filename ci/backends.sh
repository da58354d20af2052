#!/usr/bin/env bash
# `windtunnel validate` against real servers that nobody here wrote, each on a tiny model with random weights that is made on
# the spot (ci/backends/model.py): llama.cpp's, mlx-lm's and Ollama. What it finds is compared with the reports kept in
# reports/backends: a verdict or a deviation that is not in them fails, and so does one that is gone.
# `through` puts llama.cpp behind the gateway with the manifest of tutorial 004 and validates through it: nothing gets worse.
# Ollama is asked by name only: it takes minutes to build, and minutes to answer where it ignores limits.
# `ci/backends.sh ollama` is one of them; `ci/backends.sh --keep [NAME…]` keeps what is found now.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=
if [[ ${1:-} == --keep ]]; then
    keep=yes
    shift
fi
names=("$@")
((${#names[@]})) || names=(llamacpp mlx through)

command -v python3 >/dev/null || { echo "error: Python 3.11 or later is needed" >&2; exit 2; }
cargo build --locked --package conformance
windtunnel=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)/windtunnel
kept=reports/backends
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

folder=$(mktemp -d)
pid=
gateway=
stop() {
    local one
    for one in $pid $gateway; do
        kill "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
    done
    pid=
    gateway=
}
trap 'stop; rm -rf "$folder"' EXIT

# Prints the Python that has what a server needs, installed once for each state of its lock file.
python() {
    local lock=ci/backends/$1.txt state venv
    state=$({ cat "$lock" && python3 --version; } | sha256sum)
    venv=${XDG_CACHE_HOME:-$HOME/.cache}/windtunnel/backend-$1-${state:0:12}
    if [[ ! -e $venv/complete ]]; then
        echo "installing the server $1 into $venv (once)" >&2
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --only-binary :all: \
            --require-hashes --requirement "$lock" >&2
        touch "$venv/complete"
    fi
    echo "$venv/bin"
}

# Starts a server with a model called tiny and sets `pid` and `base`.
start() {
    local bin port ollama deadline
    bin=$(python "${1/ollama/llamacpp}")
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    case $1 in
        llamacpp)
            "$bin/python" ci/backends/model.py gguf "$folder/tiny.gguf"
            "$bin/python" ci/backends/llamacpp.py "$folder/tiny.gguf" tiny "$port" >"$folder/log" 2>&1 &
            ;;
        mlx)
            # It names models by their repository in the cache of the hub, and would ask the hub for those it has not.
            local repository=$folder/hub/models--windtunnel--tiny
            "$bin/python" ci/backends/model.py checkpoint "$repository/snapshots/1"
            mkdir "$repository/refs"
            printf 1 >"$repository/refs/main"
            HF_HUB_CACHE=$folder/hub HF_HUB_OFFLINE=1 "$bin/mlx_lm.server" --model windtunnel/tiny \
                --host 127.0.0.1 --port "$port" >"$folder/log" 2>&1 &
            ;;
        ollama)
            ollama=$(ci/backends/ollama/build.sh)
            "$bin/python" ci/backends/model.py gguf "$folder/tiny.gguf"
            cp ci/backends/ollama/Modelfile "$folder"
            export OLLAMA_HOST=127.0.0.1:$port OLLAMA_MODELS=$folder/ollama OLLAMA_NO_CLOUD=1 OLLAMA_NOHISTORY=1
            HOME=$folder "$ollama" serve >"$folder/log" 2>&1 &
            ;;
        *)
            echo "error: no server is called $1; there are llamacpp, mlx and ollama" >&2
            exit 2
            ;;
    esac
    pid=$!
    deadline=$((SECONDS + 120))
    base=http://127.0.0.1:$port/v1
    until curl --silent --fail --output /dev/null "$base/models"; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > deadline)); then
            echo "error: the server $1 does not come up:" >&2
            tail -n 20 "$folder/log" >&2
            exit 1
        fi
        sleep 0.2
    done
    if [[ $1 == ollama ]]; then
        HOME=$folder "$ollama" create tiny -f "$folder/Modelfile" >>"$folder/log" 2>&1
    fi
}

# What a server's answers have of chance or of the clock: `created` of llama.cpp's and Ollama's chunks is the second in which
# each is made, and Ollama draws ids from a thousand numbers.
unsteady() {
    case $1 in
        llamacpp) echo STR-04 ;;
        ollama) echo LOD-02 CHT-04 STR-04 ;;
    esac
}

# Validates what is started, and compares with what is kept.
validate() {
    local report=$folder/report.json page=$folder/report.md status=0
    "$windtunnel" validate --base-url "$base" --report "json=$report,md=$page" >"$folder/out" 2>&1 || status=$?
    grep -E '^[0-9]+ checks' "$folder/out" || { cat "$folder/out"; return 1; }
    if ((status > 1)); then
        cat "$folder/out"
        return 1
    fi
    if [[ $keep ]]; then
        python3 ci/backends/report.py keep "$report" >"$kept/$1.json"
        sed -E "s#$base#http://127.0.0.1:8090/v1#; s#-Linux-[^\`]*#…#; s#no-such-model-[0-9a-f]{16}#no-such-model-…#" "$page" >"$kept/$1.md"
    else
        # Words of a list, each a check.
        # shellcheck disable=SC2046
        python3 ci/backends/report.py compare "$kept/$1.json" "$report" $(unsteady "$1")
    fi
}

# docs/backends.md as a script: the server behind the gateway, and what the gateway changes.
through() {
    local port=${base#http://127.0.0.1:} address status=0
    port=${port%/v1}
    mkdir "$folder/manifests"
    cp docs/tutorials/004.yaml docs/backends.yaml "$folder/manifests"
    exec {lines}< <(exec "$windtunnel" gateway --config "$folder/manifests" --listen 80=127.0.0.1:0 --metrics 127.0.0.1:0 \
        --ready 127.0.0.1:0 --no-admin --connect-to "host.docker.internal:8090=127.0.0.1:$port" 2>&1)
    gateway=$!
    while read -r -t 30 -u "$lines" line; do
        echo "$line" >>"$folder/gateway"
        address=$(grep -oE '127\.0\.0\.1:[0-9]+' <<<"$line" | head -n 1 || true)
        [[ $line == *listening* && -n $address ]] && break
    done
    cat <&"$lines" >>"$folder/gateway" &
    "$windtunnel" validate --base-url "$base" --through "http://$address/v1" >"$folder/through" 2>&1 || status=$?
    grep -E '^(everywhere|[0-9]+ checks)' "$folder/through"
    # The code says that all that counts was compared, the line that what does not count is no worse either.
    if ((status != 0)) || ! grep -q ', 0 for the worse$' "$folder/through"; then
        echo "error: validate through the gateway ended with exit code $status:" >&2
        cat "$folder/through" && tail -n 20 "$folder/gateway"
        return 1
    fi
}

mkdir -p "$kept"
failed=()
# A comparison that nothing turns red says nothing.
[[ $keep ]] || python3 ci/backends/report.py prove "$kept"/*.json
for name in "${names[@]}"; do
    echo "--- $name"
    if [[ $name == through ]]; then
        start llamacpp
        through || failed+=("$name")
    else
        start "$name"
        validate "$name" || failed+=("$name")
    fi
    stop
done
echo "$((${#names[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
((${#failed[@]} == 0)) || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
