#!/usr/bin/env bash
# Whether every scenario turns red under the saboteurs that it names, and whether the README says so truly.
# `ci/trust.sh --print` prints the line to paste. Other arguments go to `windtunnel trust`.
set -euo pipefail
cd "$(dirname "$0")/.."

print=
if [[ ${1:-} == --print ]]; then
    print=yes
    shift
fi

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
binary=$(ci/binary.sh)
"$binary" trust "$@" | tee "$output" >&2 || status=$?
measured=$(grep '^trust: ' "$output" || true)
if [[ -z $measured ]]; then
    echo "nothing was measured" >&2
    exit 1
fi
if [[ -n $print ]]; then
    echo "$measured"
    exit 0
fi

# The line behind the marker, without its backquotes.
quoted=$(sed -n '/<!-- trust -->/{n;s/`//g;p;}' README.md)
# How many look alike hangs on what fails first, which a busy host may change; it is told, not compared.
if [[ ${quoted%, [0-9]* pairs alike} != "${measured%, [0-9]* pairs alike}" ]]; then
    printf 'README.md says  %s\nbut measured is %s\n' "${quoted:-nothing behind <!-- trust -->}" "$measured" >&2
    exit 1
fi
exit "$status"
