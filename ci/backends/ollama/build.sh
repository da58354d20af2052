#!/usr/bin/env bash
# Builds Ollama for the CPU from its pinned Go module, once for each go.sum, and prints the program's path.
# It takes four minutes of one core, a C++ compiler, and Python for the headers.
set -euo pipefail
cd "$(dirname "$0")"

command -v go >/dev/null || { echo "error: go is needed: https://go.dev/dl" >&2; exit 2; }
command -v c++ >/dev/null || { echo "error: a C++ compiler is needed" >&2; exit 2; }
hash=$(cat go.mod go.sum headers.txt build.sh | sha256sum | cut -c1-12)
built=${XDG_CACHE_HOME:-$HOME/.cache}/windtunnel/backend-ollama-$hash
if [[ ! -e $built/ollama ]]; then
    echo "building Ollama into $built (once, some minutes)" >&2
    mkdir -p "$(dirname "$built")"
    new=$(mktemp -d "$built.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-binary :all: \
        --require-hashes --requirement headers.txt --dest "$new" >&2
    tar --extract --file "$new"/*.tar.gz --directory "$new" --strip-components=4 --wildcards \
        '*/vendor/llama.cpp/vendor/nlohmann/*' '*/vendor/llama.cpp/vendor/stb/*' '*/vendor/llama.cpp/vendor/miniaudio/*'
    # Speed of the model is not the point.
    CGO_CFLAGS=-O1 CGO_CXXFLAGS="-O1 -I$new" go build -trimpath -ldflags="-s -w" -o "$new/built/ollama" \
        github.com/ollama/ollama 2>"$new/log" || { cat "$new/log" >&2; exit 1; }
    mv -T "$new/built" "$built"
fi
echo "$built/ollama"
