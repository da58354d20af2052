//! One HTML page without scripts: the summary, then each check, with requests and answers folded below it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::checks::AREAS;
use super::super::finding::Verdict;
use super::super::outcome::{Checked, Outcome};
use super::{lines, sum};

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub fn text(outcome: &Outcome) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Validation of " (outcome.url) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Validation of " code { (outcome.url) } }
                (about(outcome))
                @for (area, title) in AREAS { (section(outcome, area, title)) }
            }
        }
    };
    page.into_string()
}

fn about(outcome: &Outcome) -> Markup {
    html! {
        p { (sum(outcome)) ", " (outcome.requests) " requests in " (format!("{:.1}", outcome.took.as_secs_f64())) " s." }
        @if let Some(gateway) = &outcome.through { p { "Through " code { (gateway) } "." } }
        @if let Some(why) = &outcome.stopped { p.stopped { "Stopped: " (why) } }
        @if let Some(unsaid) = outcome.unsaid() { p.stopped { (unsaid) } }
        dl {
            @if let Some(print) = &outcome.fingerprint {
                dt { "Looks like" } dd { strong { (print.name) } " " (print.evidence.join("; ")) }
                dt { "Model" } dd { code { (outcome.model) } }
            }
            @if let Some(model) = &outcome.embeddings_model { dt { "Embeddings" } dd { code { (model) } } }
            @if !outcome.not_seen.is_empty() {
                dt { "Expected and not seen" } dd { (outcome.not_seen.join(", ")) }
            }
        }
    }
}

fn section(outcome: &Outcome, area: &str, title: &str) -> Markup {
    let checks: Vec<&Checked> = outcome.checks.iter().filter(|check| check.id.starts_with(area)).collect();
    html! {
        @if !checks.is_empty() {
            h2 { (title) }
            table { tbody { @for check in checks { (row(check)) } } }
        }
    }
}

fn row(check: &Checked) -> Markup {
    let class = match check.verdict {
        Verdict::Deviation if check.is_known() => "known",
        other => other.name(),
    };
    html! {
        tr id=(check.id) class=(class) {
            td.verdict { (check.verdict) }
            td.id { a href={ "#" (check.id) } { (check.id) } }
            td.level { (check.level) }
            td {
                (check.title) " " span.anchor { (check.anchor) }
                @for line in lines(check) { div.line { (line) } }
                @if !check.transcript.is_empty() {
                    details { summary { "requests and answers" } @for one in &check.transcript { pre { (one) } } }
                }
            }
        }
    }
}
