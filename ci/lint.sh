#!/usr/bin/env bash
# No warning from the compiler or clippy in any target; the lints are in Cargo.toml and clippy.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --workspace --all-targets --locked -- -D warnings
