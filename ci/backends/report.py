"""Makes of a report of `windtunnel validate` what can be kept: nothing of the machine, no times, no transcripts.

Usage: report.py keep REPORT.json > KEPT.json | report.py compare KEPT.json REPORT.json [CHECK…] | report.py prove KEPT.json…;
the checks named are not compared, for what they find changes from run to run. `prove` tampers with what is kept, and fails
where the comparison does not notice, or where a check has no verdict and no reason for that.
"""

import contextlib
import copy
import io
import json
import re
import sys

MISSING = re.compile("no-such-model-[0-9a-f]{16}")
KEPT = ("id", "level", "title", "verdict", "failures", "deviations", "notes", "why")


def kept(report):
    checks = [{name: check[name] for name in KEPT if name in check} for check in report["checks"]]
    return {"model": report["model"], "counts": report["counts"], "checks": checks}


def verdicts(report):
    """Check -> its verdict and the deviations behind it, as one line."""
    quirks = {check["id"]: sorted(seen["quirk"] for seen in check.get("deviations", [])) for check in report["checks"]}
    return {check["id"]: " ".join([check["verdict"], *quirks[check["id"]]]) for check in report["checks"]}


def compare(old, new, unsteady):
    before, now = verdicts(old), verdicts(new)
    changed = [id for id in before | now if before.get(id) != now.get(id) and id not in unsteady]
    for id in changed:
        print(f"{id}: kept as `{before.get(id)}`, found `{now.get(id)}`", file=sys.stderr)
        for check in new["checks"]:
            if check["id"] == id:
                print(*check.get("failures", []), *check.get("transcript", []), sep="\n", file=sys.stderr)
    return not changed


def tampered(report):
    """What was done to a report -> the id of the check, and the report with that done to it."""
    checks = report["checks"]
    passed = next(i for i, check in enumerate(checks) if check["verdict"] == "pass")
    deviant = next(i for i, check in enumerate(checks) if check.get("deviations"))

    def changed(place, **members):
        other = copy.deepcopy(report)
        other["checks"][place] |= members
        return checks[place]["id"], other

    yield "a pass that was a fail", changed(passed, verdict="fail")
    yield "a deviation that is gone", changed(deviant, deviations=[])
    yield "another deviation", changed(deviant, deviations=[{"quirk": "no_such_quirk"}])
    yield "a check that is new", (checks[0]["id"], report | {"checks": checks[1:]})
    yield "a check that is gone", ("XXX-01", report | {"checks": [*checks, checks[0] | {"id": "XXX-01"}]})


def prove(path):
    """Whether the comparison is green for what is the same, and red for each way of tampering, naming the check."""
    now = load(path)
    silent = [check["id"] for check in now["checks"] if check["verdict"] in ("skipped", "unsupported") and "why" not in check]
    if silent:
        print(f"{path}: no verdict and no reason: {', '.join(silent)}", file=sys.stderr)
    if silent or not compare(now, now, []):
        return False
    for what, (id, before) in tampered(now):
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            noticed = not compare(before, now, []) and f"{id}: kept as" in told.getvalue() and compare(before, now, [id])
        if not noticed:
            print(f"{path}: {what} ({id}) is not noticed", file=sys.stderr)
            return False
    return True


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["keep", report]:
            # The end of that name is drawn anew for each run.
            print(MISSING.sub("no-such-model-…", json.dumps(kept(load(report)), indent=1, ensure_ascii=False)))
        case ["compare", old, new, *unsteady]:
            sys.exit(0 if compare(load(old), load(new), unsteady) else 1)
        case ["prove", *paths] if paths:
            sys.exit(0 if all([prove(path) for path in paths]) else 1)
        case _:
            sys.exit(__doc__)
