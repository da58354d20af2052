#!/usr/bin/env bash
# The 84 checks of `windtunnel validate`, run by the built binary against a mock that is as OpenAI is: all must pass, in
# under 20 seconds, and the reports must be there. The same without `[DONE]` must fail, or the first part says nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --package conformance
windtunnel=${CARGO_TARGET_DIR:-target}/debug/windtunnel
folder=$(mktemp -d)
mock=
trap '[[ -z $mock ]] || kill "$mock" 2>/dev/null || true; rm -rf "$folder"' EXIT
export WINDTUNNEL_VALIDATE_KEY=windtunnel-validate-key

# Starts the mock of this configuration; its address is then in $base.
start() {
    mkfifo "$folder/told"
    "$windtunnel" mock --config "$1" >"$folder/told" &
    mock=$!
    read -r line <"$folder/told"
    rm "$folder/told"
    base=${line##*address=}/v1
}

validate() {
    "$windtunnel" validate --base-url "$base" --api-key-env WINDTUNNEL_VALIDATE_KEY --context-window 4096 "$@"
}

start ci/validate/mock.yaml
began=$SECONDS
validate --level optional --burst 300 \
    --report "json=$folder/all.json,junit=$folder/all.xml,html=$folder/all.html,md=$folder/all.md" | tail -3
took=$((SECONDS - began))
if ((took >= 20)); then
    echo "the checks took $took seconds; 20 are the bound" >&2
    exit 1
fi
grep -q '"pass": 84' "$folder/all.json" || { echo "not all 84 checks passed" >&2; exit 1; }
for report in all.xml all.html all.md; do
    test -s "$folder/$report"
done
kill "$mock" && wait "$mock" || true

sed 's/^    auth:/    quirks: [missing_done]\n    auth:/' ci/validate/mock.yaml >"$folder/quirk.yaml"
start "$folder/quirk.yaml"
code=0
validate --only STR-03 >"$folder/quirk.txt" || code=$?
if ((code != 1)) || ! grep -q 'D35 missing_done' "$folder/quirk.txt"; then
    echo "a stream without [DONE] ended with exit code $code and:" >&2
    cat "$folder/quirk.txt" >&2
    exit 1
fi
validate --only STR-03 --quirks missing_done >/dev/null
