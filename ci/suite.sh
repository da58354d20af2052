#!/usr/bin/env bash
# The main job: every scenario, long ones too, against the reference gateway, over real sockets.
# Arguments go to `windtunnel run`.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=$(ci/binary.sh)
"$binary" run --long "$@"
