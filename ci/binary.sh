#!/usr/bin/env bash
# The program as it ships: static, with the list of its dependencies, without a path of this machine. Compiles it and prints
# where it is. The image, the suite and whoever measures take this one file. Where there is no glibc: the usual release build.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
triple=$(rustc --version --verbose | sed -n 's/^host: //p')
what=(--release --locked --package conformance --bin windtunnel)
if [[ $triple != *-linux-gnu ]]; then
    cargo build "${what[@]}" >&2
    echo "$target/release/windtunnel"
    exit
fi

export PATH=$target/tools/bin:$PATH
if ! cargo auditable --version >/dev/null 2>&1; then
    CARGO_TARGET_DIR=$target/tools/build cargo install --locked --quiet --version 0.7.7 --root "$target/tools" cargo-auditable >&2
    rm -rf "$target/tools/build"
fi
# With --target these are the program's alone: build scripts and procedural macros stay dynamic.
flags=(-C target-feature=+crt-static
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/deps" "--remap-path-prefix=$PWD=/source")
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo -n "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS
# Functions that are equal to the byte become one, and relocations are packed: what lld can, which is the linker of x86-64.
link=()
[[ $triple == x86_64-* ]] && link=(-- -C link-arg=-Wl,--icf=all -C link-arg=-Wl,-z,pack-relative-relocs)
cargo auditable rustc "${what[@]}" --target "$triple" "${link[@]}" >&2
echo "$target/$triple/release/windtunnel"
