"""Makes of a report of `windtunnel validate` what can be kept: nothing of the machine, no times, no transcripts.

Usage: report.py keep REPORT.json > KEPT.json | report.py compare KEPT.json REPORT.json [CHECK…]; the checks named are not
compared, for what they find changes from run to run.
"""

import json
import sys

KEPT = ("id", "level", "title", "verdict", "failures", "deviations", "notes", "aside")


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


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["keep", report]:
            print(json.dumps(kept(load(report)), indent=1, ensure_ascii=False))
        case ["compare", old, new, *unsteady]:
            sys.exit(0 if compare(load(old), load(new), unsteady) else 1)
        case _:
            sys.exit(__doc__)
