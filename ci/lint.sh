#!/usr/bin/env bash
# No warning from the compiler or clippy in any target; the lints are in Cargo.toml and clippy.toml. And the workspaces beside
# this one, which other scripts build, have lock files that fit.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --workspace --all-targets --locked -- -D warnings
for beside in gateway/fuzz mock-providers/fuzz ci/images/tests; do
    cargo metadata --locked --format-version 1 --manifest-path "$beside/Cargo.toml" >/dev/null
done
