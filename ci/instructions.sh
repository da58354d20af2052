#!/usr/bin/env bash
# Instructions of an exchange beside benches/instructions/kept.txt: fails when a case has grown by more than 3 %, and
# names what grew; `ci/instructions.sh --keep` keeps the figures of today, `--release` tells those of a release build and
# compares nothing. A busy machine makes it slower, not wrong. Behind ci/test.sh, whose dependencies it takes, it needs two
# minutes to build and half a minute to count.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
    --release) build=(build --release --package benches) folder=release mode=(--count) ;;
    *) build=(--config benches/instructions/profile.toml build --workspace) folder=debug mode=("$@") ;;
esac
if ! command -v valgrind >/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "valgrind is missing; install the package valgrind" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind >/dev/null
fi
cargo "${build[@]}" --locked --example instructions
"${CARGO_TARGET_DIR:-target}/$folder/examples/instructions" "${mode[@]}"
