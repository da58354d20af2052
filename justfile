# The commands of this project; each check is a script in ci/ that also runs alone.

# List the commands.
default:
    @just --list

# Format every file.
fmt:
    cargo fmt --all

# Format check, lints, bans, licences and sources.
check:
    ci/format.sh
    ci/lint.sh
    ci/deny.sh

# All tests.
test *ARGS:
    cargo test --workspace {{ARGS}}

# The scenarios as tests: `just conformance FO-01` for one.
conformance *ARGS:
    cargo test --test conformance -- {{ARGS}}

# The HTML reports in headless Chromium; with a folder, screenshots go there.
pages *ARGS:
    ci/report.sh {{ARGS}}

# The official SDKs against the mock provider: `just clients python -k retried` for some.
clients *ARGS:
    ci/clients.sh {{ARGS}}

# The admin page in headless Chromium: `just page --screenshots` takes the pictures of the README, too.
page *ARGS:
    ci/page.sh {{ARGS}}

# Dashboard, rules and alerts in a real Prometheus that scraped a real run.
dashboards:
    ci/dashboards.sh

# The suite against the reference gateway, with a verdict table: `just run 'ST-*'`.
run *ARGS:
    cargo run --release -- run {{ARGS}}

# Whether each scenario turns red under the saboteurs that it names: `just trust 'ST-*'`.
trust *ARGS:
    cargo run --release -- trust {{ARGS}}

# The gateway beside nginx and haproxy, or beside those that are named.
peers *ARGS:
    ci/peers.sh {{ARGS}}

# All benches, or one: `just bench --bench round_trip`.
bench *ARGS:
    cargo bench -p benches {{ARGS}}

# Known vulnerabilities of the dependencies; fetches their database.
advisories:
    cargo deny check advisories

# The fuzz targets, each for so many seconds: `just fuzz 600`.
fuzz *ARGS:
    ci/fuzz.sh {{ARGS}}

# Minutes of mixed load on the gateway, its memory and its books: `just soak 10`.
soak *ARGS:
    ci/soak.sh {{ARGS}}

# What CI runs.
gate:
    .ci/run
