#!/usr/bin/env bash
# The fuzz targets of the gateway and of the scripted providers, all or those named, each for so many seconds (60):
# `ci/fuzz.sh 600 body request_body`. Outside the gate: it needs a nightly toolchain, and what it finds is chance. The
# first run builds cargo-fuzz into the target folder. A finding lies in CRATE/fuzz/artifacts/ and fails the script.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
seconds=${1:-60}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
    targets=(body connection manifests stream script_keys script_yaml request_head request_body)
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

for target in "${targets[@]}"; do
    source=$(ls gateway/fuzz/fuzz_targets/"$target".rs mock-providers/fuzz/fuzz_targets/"$target".rs 2>/dev/null || true)
    if [[ -z $source ]]; then
        echo "no fuzz target $target; there are:" >&2
        ls gateway/fuzz/fuzz_targets mock-providers/fuzz/fuzz_targets >&2
        exit 2
    fi
    (
        cd "${source%%/*}"
        # New inputs go into the first folder, which is not committed; those of the second one are where it begins.
        mkdir -p "fuzz/found/$target"
        seeds=()
        if [[ -d fuzz/corpus/$target ]]; then
            seeds=("fuzz/corpus/$target")
        fi
        words=()
        if [[ -f fuzz/words/$target.dict ]]; then
            words=("-dict=fuzz/words/$target.dict")
        fi
        cargo +nightly fuzz run "$target" "fuzz/found/$target" "${seeds[@]}" -- "${words[@]}" \
            -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -max_len=4096
    )
done
