#!/usr/bin/env bash
# The workflows and the composite action: their syntax (actionlint, with the types of expressions and the inputs of the action), and
# its one step as a runner would call it: for a gateway that passes, one that fails, a target that is none, one without its image.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(ci/tools/build.sh)
"$tools/actionlint" -no-color .github/workflows/*.yml
# it looks at action.yml where a workflow uses it
grep -q '^        uses: \./$' .github/workflows/kind.yml

cargo build -p conformance --locked
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
WINDTUNNEL=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/windtunnel
export WINDTUNNEL

# runs the step; what it tells GitHub has to be this
step() {
    local wanted=$1 name=$2
    shift 2
    rm -f "$scratch/output"
    env REPORT="$scratch/$name" GITHUB_OUTPUT="$scratch/output" GITHUB_STEP_SUMMARY="$scratch/summary" "$@" ci/action.sh \
        >"$scratch/log" 2>&1 || echo "ended=$?" >>"$scratch/output"
    if [[ $(head -n 1 "$scratch/output") != "$wanted" ]]; then
        cat "$scratch/output" "$scratch/log" >&2
        echo "error: the action says that, not $wanted, of $*" >&2
        exit 1
    fi
    echo "$name: $wanted"
}
step result=success passes TARGET=reference ARGUMENTS="FO-01 ST-10"
for report in run.html run.json run.xml badge.svg; do
    [[ -s $scratch/passes/$report ]] || { echo "error: the action leaves no $report" >&2; exit 1; }
done
grep -qE '^failover +' "$scratch/summary" || { cat "$scratch/summary" >&2; echo "error: the summary has no profile" >&2; exit 1; }
step result=failure fails TARGET=targets/decoys/yes.yaml PROFILES=failover ARGUMENTS=FO-01
step ended=2 nothing TARGET=nobody.yaml
# a target file in a container, and no input that says of which image
cat >"$scratch/contained.yaml" <<'END'
name: contained
supports: [chat]
start: {image: "${env.GATEWAY_IMAGE}", command: [/my-gateway, "--listen=${listener}"]}
END
step ended=2 imageless TARGET="$scratch/contained.yaml" GATEWAY_IMAGE=
grep -qF 'the variable GATEWAY_IMAGE is not set' "$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
