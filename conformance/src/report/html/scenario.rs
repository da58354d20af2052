//! One scenario on a page: its row, and what unfolds below it.

use maud::{Markup, html};

use super::super::detail;
use super::super::model::{Expectation, ExpectedFailure, Scenario};
use super::{timeline, took};
use crate::outcome::Verdict;

/// Whether somebody has to look at it.
pub(super) fn is_bad(scenario: &Scenario) -> bool {
    scenario.fails() || scenario.verdict == Verdict::Error
}

/// The row, which unfolds.
pub(super) fn row(scenario: &Scenario, anchor: &str, open: bool) -> Markup {
    html! {
        details.scenario id=(anchor) open[open] data-verdict=(scenario.verdict) data-level=(scenario.level) {
            summary.row {
                span { span.badge.{ "v-" (scenario.verdict) } { (scenario.verdict) } }
                span.id { (scenario.id) }
                span.level { (scenario.level) }
                span.title { (scenario.title) }
                span.needs { (scenario.needs.join(", ")) }
                span.number { (took(scenario.duration)) }
            }
            (detail(scenario, anchor))
        }
    }
}

/// Everything known about it.
pub(in super::super) fn detail(scenario: &Scenario, anchor: &str) -> Markup {
    html! {
        div.detail {
            p.requirement { (scenario.title) " " a.anchor href={ "#" (anchor) } aria-label={ "Link to " (scenario.id) } { "#" } }
            (reasons(scenario))
            @for one in &scenario.expectations { (expectation(scenario, one)) }
            dl.facts {
                (list("Standards", &scenario.anchors, standard))
                (list("Evidence", &scenario.evidence, evidence))
                (list("Needs", &scenario.needs, plain))
                (list("Saboteurs", &scenario.sabotage, plain))
                @if !scenario.file.is_empty() { div { dt { "File" } dd { code { (scenario.file) } } } }
                @if !scenario.command.is_empty() { div { dt { "Run only this one" } dd { code { (scenario.command) } } } }
            }
            (timeline::markup(scenario))
        }
    }
}

/// In words: repeats, errors, why it was left out, what was expected of it.
fn reasons(scenario: &Scenario) -> Markup {
    html! {
        @if scenario.repeats.len() > 1 { p { (detail::repeats(scenario)) } }
        @if scenario.verdict == Verdict::Error { p { "This is not the target's fault, or not yet known to be:" } }
        @for reason in detail::reasons(scenario) { pre.reason { (reason.trim_end()) } }
        @if let Some(expected) = &scenario.expected_failure { (expected_failure(scenario, expected)) }
    }
}

fn expected_failure(scenario: &Scenario, expected: &ExpectedFailure) -> Markup {
    let text = match (scenario.verdict != Verdict::Pass, expected.expired) {
        (true, false) => "This failure is known and accepted until ",
        (true, true) => "This failure was known, and accepted until ",
        (false, _) => "It does not fail any more, though a failure is announced until ",
    };
    html! { p.notice { (text) (expected.until) ": " (evidence(&expected.issue)) } }
}

fn expectation(scenario: &Scenario, one: &Expectation) -> Markup {
    html! {
        div.expectation {
            p.place { code { (detail::within(scenario, one)) } " " span { (detail::spot(&scenario.file, one)) } }
            @if !one.source.is_empty() { pre.source { (marked(one)) } }
            div.pair {
                div { h4 { "Expected" } pre { (one.expected.trim_end()) } }
                div { h4 { "Actual" } pre.actual { (one.actual.trim_end()) } }
            }
        }
    }
}

/// The line of the file with the expectation marked.
fn marked(one: &Expectation) -> Markup {
    let from = one.column.saturating_sub(1);
    let (before, rest): (String, String) =
        (one.source.chars().take(from).collect(), one.source.chars().skip(from).collect());
    let (mark, after): (String, String) =
        (rest.chars().take(one.width).collect(), rest.chars().skip(one.width).collect());
    html! { (before) @if !mark.is_empty() { mark { (mark) } } (after) }
}

fn list(name: &str, items: &[String], show: fn(&str) -> Markup) -> Markup {
    html! {
        @if !items.is_empty() {
            div { dt { (name) } dd { ul.inline { @for item in items { li { (show(item)) } } } } }
        }
    }
}

fn plain(text: &str) -> Markup {
    html! { code { (text) } }
}

/// A public report, as a link where its address is known.
fn evidence(text: &str) -> Markup {
    linked(text, crate::link::evidence(text)).unwrap_or_else(|| html! { (text) })
}

/// A standard, as a link where its address is known.
fn standard(text: &str) -> Markup {
    linked(text, crate::link::anchor(text)).unwrap_or_else(|| plain(text))
}

fn linked(text: &str, address: Option<String>) -> Option<Markup> {
    address.map(|address| html! { a href=(address) rel="noreferrer noopener" { (text) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_threads_and_sections_become_links() {
        let links = |markup: Markup| markup.into_string().contains("href");
        assert!(links(evidence("agentgateway/agentgateway#1087")) && links(evidence("https://example.org/x")));
        assert!(!links(evidence("a/b/c#1")) && !links(evidence("javascript:alert(1)")) && !links(evidence("a/b#x")));
        assert!(links(standard("rfc9110#15.6.4")) && !links(standard("openai#chat/create")));
    }
}
