#!/usr/bin/env bash
# The one step of the composite action (action.yml): takes the static binary out of the image IMAGE, unless WINDTUNNEL names
# one that is there, runs the suite against TARGET with PROFILES and ARGUMENTS, and leaves the reports in REPORT. Tells
# GitHub through GITHUB_OUTPUT and GITHUB_STEP_SUMMARY.
set -euo pipefail
: "${TARGET:?the target file}" "${REPORT:?the folder of the report}"

mkdir -p "$REPORT"
if [[ -z ${WINDTUNNEL:-} ]]; then
    version=$(sed -n 's/^appVersion: //p' "$(dirname "$0")/helm/windtunnel/Chart.yaml")
    # where a runner unpacks an action: …/_actions/OWNER/REPOSITORY/REF
    repository=$(sed -nE 's|.*/_actions/([^/]+/[^/]+)/.*|\1|p' <<<"${ACTION:-}")
    IMAGE=${IMAGE:-ghcr.io/${repository:-${GITHUB_REPOSITORY:?names nothing to take an image from; set IMAGE}}:$version}
    container=$(docker create "$IMAGE")
    docker cp "$container:/windtunnel" "$REPORT/windtunnel" >/dev/null
    docker rm "$container" >/dev/null
    WINDTUNNEL=$REPORT/windtunnel
fi
if [[ -z ${GATEWAY_IMAGE:-} ]]; then
    # a target file that names it is to be told that it is not set
    unset GATEWAY_IMAGE
fi

# words, on however many lines
read -rd '' -a profiles <<<"${PROFILES:-}" || true
read -rd '' -a arguments <<<"${ARGUMENTS:-}" || true
words=(run --target "$TARGET" "${profiles[@]/#/--profile=}" "${arguments[@]}")
words+=(--report "html=$REPORT/run.html,json=$REPORT/run.json,junit=$REPORT/run.xml,badge=$REPORT/badge.svg")
code=0
"$WINDTUNNEL" "${words[@]}" | tee "$REPORT/run.txt" || code=$?
rm -f "$REPORT/windtunnel"
{
    echo '```'
    # what is not a scenario's own line, from the table of profiles on
    sed -n '/^profile  /,$p' "$REPORT/run.txt"
    echo '```'
} >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
case $code in
    0) result=success ;;
    1) result=failure ;;
    *) exit "$code" ;;
esac
printf 'result=%s\nreport=%s\n' "$result" "$REPORT" >>"${GITHUB_OUTPUT:-/dev/null}"
