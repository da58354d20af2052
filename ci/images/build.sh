#!/usr/bin/env bash
# Builds windtunnel:VERSION and windtunnel:VERSION-debug around a static binary, holds them to what an image must be, and
# prints size, time from start to ready and memory. Usage: ci/images/build.sh [BINARY]; without one it is compiled.
# DEBUG_BASE names another base than this machine's busybox and curl.
set -euo pipefail
cd "$(dirname "$0")/../.."

limit=$((30 * 1000 * 1000))
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
image=windtunnel:$version
work=$(mktemp -d)
container=
trap 'rm -rf "$work"; [[ -z $container ]] || docker rm --force "$container" >/dev/null' EXIT

fail() {
    echo "error: $*" >&2
    exit 1
}

binary=${1:-$(ci/binary.sh)}
readelf --program-headers "$binary" | grep -q INTERP && fail "$binary is not static: build it with +crt-static and --target"

ci/images/root.sh "$binary" "$work/root"
for path in "$PWD" "$HOME/" "${CARGO_HOME:-$HOME/.cargo}"; do
    if found=$(grep --text --only-matching --max-count 1 --fixed-strings "$path" "$work/root/windtunnel"); then
        fail "$binary tells a path of this machine: $found"
    fi
done
labels=(
    --build-arg "VERSION=$version"
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
    --build-arg "CREATED=$(date --utc --date="@$(git log -1 --format=%ct 2>/dev/null || echo 0)" +%FT%TZ)"
)
build() {
    docker build --quiet --file ci/images/Dockerfile "${labels[@]}" "$@" "$work/root" >/dev/null
}

# A shell and curl with the libraries that it is linked to: a base that nothing has to be fetched for.
debug_base() {
    local base=$work/base
    mkdir -p "$base/bin"
    cp "$(command -v busybox)" "$base/bin/busybox"
    ln -s busybox "$base/bin/sh"
    for tool in cat ls ps env id nslookup wget; do ln -s busybox "$base/bin/$tool"; done
    cp -L "$(command -v curl)" "$base/bin/curl"
    ldd "$base/bin/curl" | grep -oE '/[^ ]+' | while read -r library; do
        mkdir -p "$base$(dirname "$library")"
        cp -L "$library" "$base$library"
    done
    tar -C "$base" -c . | docker import - windtunnel-debug-base:local >/dev/null
    echo windtunnel-debug-base:local
}

build --target prebuilt --tag "$image"
build --target debug --build-arg "DEBUG_BASE=${DEBUG_BASE:-$(debug_base)}" --tag "$image-debug"

inspect() {
    docker image inspect --format "$1" "$image"
}
size=$(inspect '{{.Size}}')
((size < limit)) || fail "$image has $size bytes; $limit is the most"
[[ $(inspect '{{.Config.User}}') == 65532:65532 ]] || fail "$image runs as $(inspect '{{.Config.User}}')"
[[ $(inspect '{{index .Config.Labels "org.opencontainers.image.version"}}') == "$version" ]] || fail "$image has no labels"

# Every file of it: what else is there comes from Docker and is empty.
container=$(docker create "$image")
docker export "$container" | tar -t | grep -vE '/$' | sort >"$work/files"
docker rm "$container" >/dev/null
container=
cat >"$work/wanted" <<EOF
.dockerenv
dev/console
etc/group
etc/hostname
etc/hosts
etc/mtab
etc/nsswitch.conf
etc/passwd
etc/resolv.conf
etc/ssl/certs/ca-certificates.crt
windtunnel
EOF
diff "$work/wanted" "$work/files" >&2 || fail "$image holds other files than these"

[[ $(docker run --rm "$image" --version) == "windtunnel $version" ]] || fail "$image does not say its version"
docker run --rm --entrypoint /bin/sh "$image-debug" -c '/windtunnel --version && curl --version' >/dev/null ||
    fail "$image-debug has no shell or curl"

# Five starts as Kubernetes would: read-only root, no capability. Times are from the process to its word that it serves (the
# kernel counts process starts in hundredths of a second), and with what Docker does before and after.
chmod 755 "$work"
cp ci/images/manifests.yaml "$work/manifests.yaml"
chmod 644 "$work/manifests.yaml"
now() { date +%s%3N; }
for _ in 1 2 3 4 5; do
    asked=$(now)
    container=$(docker run --detach --read-only --cap-drop=ALL --security-opt=no-new-privileges --publish 127.0.0.1::15021 \
        --mount "type=bind,source=$work/manifests.yaml,target=/manifests.yaml,readonly" "$image" gateway --config /manifests.yaml)
    address=$(docker port "$container" 15021 | head -n 1)
    until curl --silent --fail --output /dev/null "http://$address/healthz/ready"; do
        [[ $(docker inspect --format '{{.State.Running}}' "$container") == true ]] || fail "it ends: $(docker logs "$container" 2>&1)"
        (($(now) - asked < 20000)) || fail "it is never ready: $(docker logs "$container" 2>&1)"
    done
    whole=$(($(now) - asked))
    pid=$(docker inspect --format '{{.State.Pid}}' "$container")
    boot=$(($(now) - $(awk '{printf "%d", $1 * 1000}' /proc/uptime)))
    started=$((boot + $(awk '{print $22}' "/proc/$pid/stat") * 1000 / $(getconf CLK_TCK)))
    said=$(docker logs --timestamps "$container" 2>&1 | grep -m 1 ' serving$' | cut -d ' ' -f 1)
    echo "$(($(date --date="$said" +%s%3N) - started)) $whole" >>"$work/times"
    rss=$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")
    docker exec "$container" /windtunnel ready || fail "its health check fails"
    docker stop --time 10 "$container" >/dev/null
    [[ $(docker inspect --format '{{.State.ExitCode}}' "$container") == 0 ]] || fail "it does not end well"
    docker rm "$container" >/dev/null
    container=
done
start=$(cut -d ' ' -f 1 "$work/times" | sort -n | sed -n 3p)
whole=$(cut -d ' ' -f 2 "$work/times" | sort -n | sed -n 3p)
printf '%s: %d.%d MB, start to ready %d ms (with docker run %d ms), RSS %d.%d MB\n' \
    "$image" $((size / 1000000)) $((size / 100000 % 10)) "$start" "$whole" $((rss / 1024)) $((rss * 10 / 1024 % 10))
printf '%s: %d MB\n' "$image-debug" $(($(docker image inspect --format '{{.Size}}' "$image-debug") / 1000000))
