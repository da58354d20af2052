//! Several targets side by side: scenarios down, targets across, each cell a link to what happened there.

use maud::{Markup, html};

use super::html::{page, scenario_detail};
use super::model::{Report, Scenario};
use super::{date, detail};

/// The whole page.
pub fn text(reports: &[Report]) -> String {
    let body = html! {
        header.top {
            p.kicker { "Windtunnel conformance matrix" }
            h1 { (reports.len()) " targets side by side" }
        }
        main {
            (targets(reports))
            (table(reports))
            (details(reports))
        }
    };
    page("Windtunnel matrix", &body)
}

/// Project and version, and what else tells it from the others.
fn name(report: &Report) -> String {
    let sabotage = report.run.sabotage.as_ref().map(|name| format!(" with {name}")).unwrap_or_default();
    format!("{} {}{sabotage}", report.target.project, report.target.version)
}

fn targets(reports: &[Report]) -> Markup {
    html! {
        section #targets aria-labelledby="targets-title" {
            h2 #targets-title { "Targets" }
            div.scroll tabindex="0" role="region" aria-labelledby="targets-title" {
                table {
                    thead { tr {
                        th scope="col" { "Target" } th scope="col" { "Adapter" } th scope="col" { "Suite" }
                        th scope="col" { "When" } th scope="col" { "Profiles" }
                    } }
                    tbody { @for report in reports { tr {
                        th scope="row" { (name(report)) }
                        td { (report.target.adapter.name) " " (report.target.mode) }
                        td { (report.suite.version) }
                        td { (date::date(report.run.started)) }
                        td { ul.inline { @for profile in &report.profiles {
                            li { (profile.name) ": " (profile.must.held()) "/" (profile.must.claimed()) " MUST" }
                        } } }
                    } } }
                }
            }
        }
    }
}

/// Every scenario of any report once, by profile.
fn rows(reports: &[Report]) -> Vec<(&str, Vec<&Scenario>)> {
    let mut groups: Vec<(&str, Vec<&Scenario>)> = Vec::new();
    for (profile, members) in reports.iter().flat_map(detail::by_profile) {
        let index = groups.iter().position(|(known, _)| *known == profile).unwrap_or_else(|| {
            groups.push((profile, Vec::new()));
            groups.len() - 1
        });
        let group = &mut groups[index].1;
        for one in members {
            if !group.iter().any(|known| known.id == one.id) {
                group.push(one);
            }
        }
    }
    groups.iter_mut().for_each(|(_, members)| members.sort_by(|a, b| a.id.cmp(&b.id)));
    groups
}

fn table(reports: &[Report]) -> Markup {
    html! {
        section #scenarios aria-labelledby="scenarios-title" {
            h2 #scenarios-title { "Scenarios" }
            div.scroll tabindex="0" role="region" aria-labelledby="scenarios-title" {
                table.matrix {
                    thead { tr {
                        th scope="col" { "Scenario" } th scope="col" { "Level" }
                        @for report in reports { th scope="col" { (name(report)) } }
                    } }
                    tbody { @for (profile, members) in rows(reports) {
                        tr.group { th colspan=(reports.len() + 2) scope="rowgroup" { (profile) } }
                        @for one in members { tr {
                            th scope="row" { span.id { (one.id) } (one.title) }
                            td { (one.level) }
                            @for (index, report) in reports.iter().enumerate() { td { (cell(report, index, &one.id)) } }
                        } }
                    } }
                }
            }
        }
    }
}

fn cell(report: &Report, index: usize, id: &str) -> Markup {
    let found = report.scenarios.iter().find(|scenario| scenario.id == id);
    html! {
        @if let Some(one) = found {
            a href={ "#" (anchor(index, id)) } { span.badge.{ "v-" (one.verdict) } { (one.verdict) } }
        } @else {
            span.badge.v-none { "not run" }
        }
    }
}

fn anchor(index: usize, id: &str) -> String {
    format!("{}-{id}", index + 1)
}

fn details(reports: &[Report]) -> Markup {
    html! {
        @for (index, report) in reports.iter().enumerate() {
            section {
                h2 { (name(report)) }
                @for one in &report.scenarios {
                    details.scenario id=(anchor(index, &one.id)) {
                        summary { span.badge.{ "v-" (one.verdict) } { (one.verdict) } " " span.id { (one.id) } " " (one.title) }
                        (scenario_detail(one, &anchor(index, &one.id)))
                    }
                }
            }
        }
    }
}
