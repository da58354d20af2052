//! The report as one HTML file that needs nothing else: no script, no network, no font of its own.
//! A little script adds filters and a search; its policy lets nothing but that script and this style run.

mod scenario;
mod timeline;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{LevelCounts, Profile, Report, Scenario};
use super::{date, detail};
use crate::outcome::Verdict;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The whole page.
pub fn text(report: &Report) -> String {
    let target = &report.target;
    let title = format!("{} {} · windtunnel {}", target.project, target.version, date::date(report.run.started));
    let body = html! {
        (header(report))
        main {
            (profiles(report))
            (scenarios(report))
        }
        (footer(report))
    };
    page(&title, &body)
}

/// The frame of a page: what it may load is written in its head, and that is nothing.
pub(super) fn page(title: &str, body: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#scenarios" { "Skip to the scenarios" }
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string() + "\n"
}

/// A source expression that allows exactly this text.
fn hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}

fn header(report: &Report) -> Markup {
    let (target, run) = (&report.target, &report.run);
    html! {
        header.top {
            p.kicker { "Windtunnel conformance report" }
            h1 { (target.project) " " span.version { (target.version) } }
            (sums(report))
            @if let Some(name) = &run.sabotage {
                p.notice { "Sabotaged on purpose by " code { (name) } ": failures are expected here." }
            }
            dl.facts {
                (fact("Target", &named(&[&target.organization, &target.project, &target.version])))
                (fact("Adapter", &named(&[&target.adapter.name, &target.adapter.version, &target.mode])))
                (fact("Suite", &format!("{}, {} scenarios", report.suite.version, report.suite.scenarios)))
                (fact("Started", &date::timestamp(run.started)))
                (fact("Took", &took(run.duration)))
                (fact("Seed", &run.seed.map_or_else(|| "none, in order".to_owned(), |seed| seed.to_string())))
                (fact("Repeats", &run.repeats.to_string()))
                (fact("Machine", &machine(report)))
                @if !target.url.is_empty() { div { dt { "Address" } dd { (link(&target.url)) } } }
            }
            @if !run.command.is_empty() {
                p.again { "Reproduce with " code { (run.command) } }
            }
        }
    }
}

fn named(parts: &[&String]) -> String {
    let mut parts: Vec<&str> = parts.iter().map(|part| part.as_str()).filter(|part| !part.is_empty()).collect();
    parts.dedup();
    parts.join(" ")
}

fn machine(report: &Report) -> String {
    let environment = &report.environment;
    let noise =
        environment.noise.map(|noise| format!(", timers late by {:.1} ms (p99)", noise.p99)).unwrap_or_default();
    format!("{} {}, {} cores{noise}", environment.os, environment.arch, environment.cores)
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A link where the text is an address of the web, else the text.
fn link(address: &str) -> Markup {
    let web = address.starts_with("https://") || address.starts_with("http://");
    html! { @if web { a href=(address) rel="noreferrer noopener" { (address) } } @else { (address) } }
}

fn took(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn sums(report: &Report) -> Markup {
    let all = &report.summary;
    let sums = [
        (Verdict::Pass, all.passed),
        (Verdict::Fail, all.failed),
        (Verdict::Flaky, all.flaky),
        (Verdict::Error, all.errors),
        (Verdict::Informational, all.informational),
        (Verdict::Unsupported, all.unsupported),
        (Verdict::Skipped, all.skipped),
    ];
    html! {
        ul.sums {
            @for (verdict, count) in sums.iter().filter(|(_, count)| *count > 0) {
                li.{ "v-" (verdict) } { b { (count) } " " (verdict) }
            }
        }
    }
}

fn profiles(report: &Report) -> Markup {
    html! {
        section #profiles aria-labelledby="profiles-title" {
            h2 #profiles-title { "Profiles" }
            div.scroll tabindex="0" role="region" aria-labelledby="profiles-title" {
                table {
                    thead { tr {
                        th scope="col" { "Profile" } th scope="col" { "Result" }
                        th.number scope="col" { "MUST" } th.number scope="col" { "SHOULD" } th.number scope="col" { "MAY" }
                        th scope="col" { "Not claimed" }
                    } }
                    tbody { @for profile in &report.profiles { (row(profile)) } }
                }
            }
        }
    }
}

fn row(profile: &Profile) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "#profile-" (profile.name) } { (profile.name) } }
            td { span.badge.{ "r-" (word(&profile.result)) } { (profile.result) } }
            td.number { (share(&profile.must)) }
            td.number { (share(&profile.should)) }
            td.number { (share(&profile.may)) }
            td { (profile.unsupported.join(", ")) }
        }
    }
}

/// Passed of those that count.
fn share(level: &LevelCounts) -> String {
    match level.claimed() {
        0 => "–".to_owned(),
        all => format!("{}/{all}", level.held()),
    }
}

/// A text as part of a class name.
fn word(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn scenarios(report: &Report) -> Markup {
    let bad = report.scenarios.iter().filter(|scenario| scenario::is_bad(scenario)).count();
    let open = |scenario: &Scenario| scenario::is_bad(scenario) && bad <= OPEN;
    html! {
        section #scenarios aria-labelledby="scenarios-title" {
            h2 #scenarios-title { "Scenarios" }
            (filters(report))
            @for (name, members) in detail::by_profile(report) {
                section.profile id={ "profile-" (name) } {
                    h3 { (name) }
                    div.row.head aria-hidden="true" {
                        span { "Verdict" } span { "Id" } span { "Level" } span { "Requirement" } span { "Needs" }
                        span.number { "Time" }
                    }
                    @for one in members { (scenario::row(one, &one.id, open(one))) }
                }
            }
        }
    }
}

/// With more failures than this all of them start closed.
const OPEN: usize = 5;

/// Shown by the script, which they need.
fn filters(report: &Report) -> Markup {
    let mut verdicts: Vec<Verdict> = report.scenarios.iter().map(|scenario| scenario.verdict).collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    html! {
        form #filters role="search" hidden {
            label.search { span { "Search" } input #search type="search" placeholder="id, requirement, evidence ( / )" autocomplete="off"; }
            label { span { "Verdict" } select #verdict {
                option value="" { "all" }
                option value="!pass" { "all but pass" }
                @for verdict in verdicts { option { (verdict) } }
            } }
            label { span { "Profile" } select #profile {
                option value="" { "all" }
                @for (name, _) in detail::by_profile(report) { option { (name) } }
            } }
            label { span { "Level" } select #level {
                option value="" { "all" }
                @for level in ["must", "should", "may"] { option { (level) } }
            } }
            output #shown for="search verdict profile level" aria-live="polite" {}
        }
    }
}

fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p { "Written by windtunnel " (report.suite.version) " as " code { (report.schema) } ", suite "
                code { (report.suite.scenarios_digest) } "." }
            p.keys hidden { kbd { "/" } " searches, " kbd { "j" } " and " kbd { "k" } " go from scenario to scenario, "
                kbd { "Enter" } " opens one, " kbd { "Esc" } " shows all again." }
        }
    }
}

pub(super) use scenario::detail as scenario_detail;
