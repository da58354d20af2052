#!/usr/bin/env bash
# The fuzz targets of the scripted providers, all or those named, each for so many seconds (60): `ci/fuzz.sh 600
# request_body`. Outside the gate: it needs a nightly toolchain, and what it finds is chance. The first run builds
# cargo-fuzz into the target folder. A finding lies in mock-providers/fuzz/artifacts/ and fails the script.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
seconds=${1:-60}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
    targets=(script_keys script_yaml request_head request_body)
fi

tools=${CARGO_TARGET_DIR:-target}/tools
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
PATH=$tools/bin:$PATH
if ! cargo fuzz --version 2>/dev/null | grep -qF " $version"; then
    echo "installing cargo-fuzz $version into $tools (once)"
    CARGO_TARGET_DIR=$tools/build cargo install cargo-fuzz --version "$version" --locked --root "$tools" --quiet
    rm -rf "$tools/build"
fi

cd mock-providers
for target in "${targets[@]}"; do
    # New inputs go into the first folder, which is not committed; those of the second one are where it begins.
    mkdir -p "fuzz/found/$target"
    seeds=()
    if [[ -d fuzz/corpus/$target ]]; then
        seeds=("fuzz/corpus/$target")
    fi
    cargo +nightly fuzz run "$target" "fuzz/found/$target" "${seeds[@]}" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -max_len=4096
done
