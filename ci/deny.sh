#!/usr/bin/env bash
# Bans, licences and sources of all dependencies, as deny.toml says. Advisories need their database from the
# network, so they are not asked for here: `just advisories` does it at a desk that has one.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tools=${CARGO_TARGET_DIR:-target}/tools
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -qF " $version"; then
    echo "installing cargo-deny $version into $tools (once)"
    CARGO_TARGET_DIR=$tools/build cargo install cargo-deny --version "$version" --locked --root "$tools" \
        --no-default-features --quiet
    rm -rf "$tools/build"
fi
"$tools/bin/cargo-deny" --locked check bans licenses sources
