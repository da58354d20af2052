#!/usr/bin/env bash
# Instructions of an exchange beside benches/instructions/kept.txt: fails when a case has grown by more than 3 %, and
# names what grew; `ci/instructions.sh --keep` keeps the figures of today. A busy machine makes it slower, not wrong.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    apt-get install --yes --quiet valgrind
fi
cargo build --release --locked --package benches --example instructions
"${CARGO_TARGET_DIR:-target}/release/examples/instructions" "$@"
