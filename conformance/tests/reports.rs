//! The forms of reports: one small run with every verdict, word by word; secrets in none of them; reports read back,
//! compared, put side by side. Pages in a real browser are `ci/report.sh`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use conformance::expect::Failure;
use conformance::load::{self, Loaded};
use conformance::noise::Lateness;
use conformance::outcome::{About, Excuse, Outcome, Run, Verdict};
use conformance::report::diff::Diff;
use conformance::report::{Form, Kind, Report, matrix, read};
use conformance::run::{self, Setting};
use conformance::scenario::Level;
use conformance::target::Target;
use conformance::transcript::{Entry, Lane, Transcript};
use gateway::yaml::Source;

fn loaded(file: &str) -> Loaded {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [here.join("tests/cases").join(file)];
    load::read_files(&here.join("../scenarios"), &files).expect("a scenario").remove(0)
}

fn outcome(id: &str, level: Level, profile: &str, verdict: Verdict) -> Outcome {
    let outcome = Outcome::new(&loaded("passing/PLAIN-01.yaml"), verdict, Duration::from_millis(120));
    Outcome {
        id: id.to_owned(),
        title: format!("What {id} demands of a <gateway> & its \"friends\" # here"),
        level,
        profile: profile.to_owned(),
        needs: vec!["chat".to_owned()],
        anchors: vec!["rfc9110#15.6.4".to_owned()],
        evidence: vec!["agentgateway/agentgateway#1087".to_owned()],
        source: Arc::new(Source::new(format!("scenarios/{id}.yaml"), "id: X\nexpect: {status: 200}\n")),
        argument: id.to_owned(),
        ..outcome
    }
}

fn failure(expected: &str, actual: &str) -> Failure {
    Failure {
        path: "steps[0].expect.status".to_owned(),
        line: 2,
        column: 18,
        width: 3,
        late: false,
        excerpt: "expect: {status: 200}".to_owned(),
        expected: expected.to_owned(),
        actual: actual.to_owned(),
    }
}

fn transcript() -> Transcript {
    let entry = |at, lane, text: &str| Entry { at, lane, text: text.to_owned() };
    Transcript(vec![
        entry(1.0, Lane::Client, "> POST /v1/chat/completions HTTP/1.1\nhost: a\n{\"content\":\"<b>&amp;\"}"),
        entry(2.5, Lane::Upstream, "a < POST /v1/chat/completions"),
        entry(30.25, Lane::Telemetry, "{\"http.status\":503,\"end\":\"complete\"}"),
        entry(31.0, Lane::Client, "< HTTP/1.1 503 Service Unavailable"),
    ])
}

/// One scenario of each verdict, and two failures that were announced.
fn fixed() -> Run {
    let of = |id: &str, level, verdict| outcome(id, level, "failover", verdict);
    let excuse = |until: &str, expired| Some(Excuse { issue: "a/b#7".to_owned(), until: until.to_owned(), expired });
    let failed = |id: &str, level| Outcome {
        failures: vec![failure("200", "503\nand <more>")],
        transcript: transcript(),
        ..of(id, level, Verdict::Fail)
    };
    let outcomes = vec![
        of("FO-01", Level::Must, Verdict::Pass),
        failed("FO-02", Level::Must),
        Outcome { expected_failure: excuse("2030-01-01", false), ..failed("FO-03", Level::Should) },
        Outcome { expected_failure: excuse("2020-01-01", true), ..failed("FO-04", Level::Should) },
        Outcome { repeats: vec![Verdict::Pass, Verdict::Fail], verdict: Verdict::Flaky, ..failed("FO-05", Level::May) },
        Outcome {
            why: Some("cluster is not claimed".to_owned()),
            claimed: false,
            needs: vec!["failover.eviction".to_owned()],
            ..of("FO-06", Level::Must, Verdict::Unsupported)
        },
        Outcome { why: Some("it takes long".to_owned()), ..of("FO-07", Level::May, Verdict::Skipped) },
        Outcome { why: Some("host too noisy".to_owned()), ..outcome("TO-01", Level::Must, "timeouts", Verdict::Error) },
        outcome("LO-01", Level::May, "load", Verdict::Informational),
    ];
    Run {
        outcomes,
        duration: Duration::from_millis(1_234),
        started: 1_795_245_060,
        seed: Some(7),
        repeat: 2,
        sabotage: None,
        left_out: BTreeMap::new(),
        stopped: false,
        target: About {
            project: "example-gateway".to_owned(),
            organization: Some("Example & Sons".to_owned()),
            version: Some("1.2.3".to_owned()),
            url: Some("https://example.org/gateway".to_owned()),
            mode: "process".to_owned(),
            supports: vec!["chat".to_owned()],
            ..About::default()
        },
        noise: Lateness { p50: 0.1, p99: 1.5 },
    }
}

/// What depends on the machine is made the same everywhere.
fn report() -> Report {
    let mut report = Report::of(&fixed());
    report.environment.os = "linux".to_owned();
    report.environment.arch = "x86_64".to_owned();
    report.environment.cores = 4;
    report.suite.version = "0.1.0".to_owned();
    report.target.adapter.version = "0.1.0".to_owned();
    report
}

/// A page without its style, its script and their hashes, which are files of their own; a line for each element.
fn structure(page: &str) -> String {
    let without = |page: &str, from: &str, to: &str| {
        let (before, rest) = page.split_once(from).expect("its beginning");
        let (_, after) = rest.split_once(to).expect("its end");
        format!("{before}{from}{to}{after}")
    };
    let page = without(page, "default-src 'none'", "base-uri");
    let page = without(&page, "<style>", "</style>");
    without(&page, "<script>", "</script>").replace("><", ">\n<")
}

#[test]
fn each_form_says_the_same_of_one_run() {
    for (name, kind) in Kind::ALL.iter().copied() {
        let text = kind.text(&report());
        insta::assert_snapshot!(name, if kind == Kind::Html { structure(&text) } else { text });
    }
}

#[test]
fn a_page_needs_nothing_but_itself_and_escapes_what_it_shows() {
    let page = Kind::Html.text(&report());
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"), "{page}");
    assert!(!page.contains("<more>") && !page.contains("<gateway>") && !page.contains("<b>&amp;\""), "{page}");
    assert!(page.contains("href=\"https://github.com/agentgateway/agentgateway/issues/1087\""), "{page}");
    for outside in [" src=", "<link", "@import", "url(", " style=", "<iframe", " onclick="] {
        assert!(!page.contains(outside), "{outside} in the page");
    }
}

#[test]
fn a_report_is_the_same_after_it_was_read_back() {
    let text = Kind::Json.text(&report());
    let again = read::bytes_of("run.json", text.as_bytes()).expect("a report");
    assert_eq!(Kind::Json.text(&again), text);
    for (_, kind) in Kind::ALL.iter().copied() {
        assert_eq!(kind.text(&again), kind.text(&report()));
    }
}

#[test]
fn keys_that_are_not_known_are_passed_over_and_missing_ones_are_guessed() {
    let text = r#"{"schema":"windtunnel.report/v1","later":{"a":1},"run":{"started":18446744073709551615},
        "scenarios":[{"id":"X-1","level":"must","profile":"no-such","verdict":"fail","later":[],"duration":-1e300,
        "expectations":[{"level":"must","verdict":"fail","line":9,"column":18446744073709551615,"width":18446744073709551615,"source":"é"}],
        "transcript":[{"at":-1e308,"lane":"client","text":""},{"at":1e308,"lane":"upstream","text":"x"}]}]}"#;
    let odd = read::bytes_of("odd.json", text.as_bytes()).expect("a report");
    for (name, kind) in Kind::ALL.iter().copied() {
        assert!(!kind.text(&odd).is_empty(), "{name}");
    }
    assert!(matrix::text(&[odd.clone(), report()]).contains("X-1"));
    assert!(Diff::of(&odd, &report()).text().contains("gone"));
}

#[test]
fn what_is_no_report_is_refused_with_its_place() {
    let refused = |text: &str| read::bytes_of("x.json", text.as_bytes()).expect_err("no report").to_string();
    insta::assert_snapshot!(
        "refused",
        ["", "[]", "{\"a\":1}", "{\"schema\":\"windtunnel.report/v9\"}", "{\"schema\":\"windtunnel.report/v1\"}",
         "{\"schema\":\"windtunnel.report/v1\",\n\"scenarios\":[{\"id\":\"A\",\"level\":\"must\",\"profile\":\"x\",\"verdict\":\"splendid\"}]}",
         "{\"schema\":"].map(refused).join("\n")
    );
}

/// The same run, a day later, with other verdicts.
fn later() -> Report {
    let mut run = fixed();
    run.started += 86_400;
    run.outcomes.retain(|outcome| outcome.id != "FO-07" && outcome.id != "LO-01");
    run.outcomes[0].verdict = Verdict::Fail;
    run.outcomes[1].verdict = Verdict::Pass;
    run.outcomes[5].verdict = Verdict::Pass;
    run.outcomes.push(outcome("ST-01", Level::Must, "streaming", Verdict::Pass));
    Report::of(&run)
}

#[test]
fn a_diff_tells_what_is_broken_first() {
    let (old, new) = (report(), later());
    let diff = Diff::of(&old, &new);
    assert!(diff.worse);
    insta::assert_snapshot!("diff", diff.text());
    insta::assert_snapshot!("diff_json", serde_json::to_string_pretty(&diff).expect("JSON"));
    let same = Diff::of(&old, &old);
    assert!(!same.worse && same.scenarios.is_empty() && same.unchanged == old.scenarios.len());
}

fn windtunnel(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.args(arguments).env("NO_COLOR", "1").current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("windtunnel runs")
}

#[test]
fn the_exit_code_of_a_diff_says_whether_anything_got_worse() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (old, new) = (file("old.json", &Kind::Json.text(&report())), file("new.json", &Kind::Json.text(&later())));
    let code = |arguments: &[&str]| windtunnel(arguments).status.code();
    assert_eq!(code(&["report", "diff", &old, &old]), Some(0));
    assert_eq!(code(&["report", "diff", &old, &new]), Some(1));
    let json = windtunnel(&["report", "diff", &old, &new, "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!((&json["worse"], &json["scenarios"][0]["change"]), (&true.into(), &"broken".into()));
    let page = String::from_utf8(windtunnel(&["report", "matrix", &old, &new]).stdout).expect("text");
    assert!(page.contains("href=\"#2-FO-01\"") && page.contains("id=\"2-FO-01\""), "{page}");
    let other = file("other.json", "{\"schema\":\"x\"}");
    let refused = windtunnel(&["report", "diff", &old, &other]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("other.json: its schema is \"x\""));
    assert_eq!(code(&["report", "matrix", "no-such.json"]), Some(2));
    let help = windtunnel(&["report", "diff", "--help"]).stdout;
    assert!(String::from_utf8_lossy(&help).contains("windtunnel report diff before.json after.json"));
}

/// A scenario that fails, or cannot be run, with its secret in all that is said about it.
fn leaky(steps: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("leak.yaml");
    let text = LEAKY.replace("STEPS", steps);
    std::fs::write(&file, text).expect("a file");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let loaded = load::read_files(&here.join("../scenarios"), &[file]).expect("a scenario").remove(0);
    let target = Target::reference(env!("CARGO_BIN_EXE_windtunnel").as_ref()).expect("the reference target");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run::scenario(&loaded, &Setting::of(Arc::new(target))))
}

/// Its secrets have values that a test can search for.
const CANARY: &str = "canary-0123456789abcdef+/x";

const LEAKY: &str = include_str!("cases/leaking/leak.txt");

#[test]
fn no_form_of_a_report_shows_a_secret() {
    let request = "post: /v1/chat/completions, json: {model: \"canary-0123456789abcdef+/x ${secrets.caller}\", messages: [{role: user, content: hi}]}";
    let failed = leaky(&format!(
        "  - request: {{{request}}}\n    expect: {{status: 200, body: \"canary-0123456789abcdef+/x\"}}"
    ));
    assert_eq!(failed.verdict, Verdict::Fail, "{:?}", failed.why);
    assert!(failed.failures.len() > 1 && !failed.transcript.0.is_empty());
    let broken = leaky("  - change: {script: {a: {respond: {status: \"canary-0123456789abcdef+/x\"}}}}");
    assert_eq!(broken.verdict, Verdict::Error, "{:?}", broken.failures);
    let run = Run { outcomes: vec![failed, broken], ..fixed() };
    let report = Report::of(&run);
    let mut forms: Vec<(&str, String)> = Kind::ALL.iter().map(|(name, kind)| (*name, kind.text(&report))).collect();
    forms.push(("terminal", conformance::report::terminal::text(&run, Default::default())));
    forms.push(("matrix", matrix::text(&[report.clone(), report.clone()])));
    forms.push(("diff", Diff::of(&self::report(), &report).text()));
    for (name, text) in forms {
        for spelling in [CANARY, "canary-01234", "Y2FuYXJ5LTAx", "%2B%2Fx", "cdef+/x", "cdef&#43;"] {
            assert!(!text.contains(spelling), "{spelling} in {name}:\n{text}");
        }
        if ["json", "html", "junit", "terminal"].contains(&name) {
            assert!(text.contains("[a Secret") && text.contains("[secrets.caller]"), "no mask in {name}:\n{text}");
        }
    }
}
