//! The table on the terminal.

use super::super::checks::AREAS;
use super::super::finding::Verdict;
use super::super::fingerprint::{Fingerprint, profile};
use super::super::outcome::{Checked, Outcome};
use super::super::through::Changes;
use super::{lines, sum};
use crate::render::Style;

/// The whole table.
pub fn text(outcome: &Outcome, style: Style) -> String {
    let mut text = head(outcome);
    for (area, title) in AREAS {
        let mut checks = outcome.checks.iter().filter(|check| check.id.starts_with(area)).peekable();
        if checks.peek().is_some() {
            text.push_str(&format!("\n{}\n", style.bold(title)));
        }
        for check in checks {
            text.push_str(&row(check, style));
        }
    }
    text.push_str(&tail(outcome, style));
    text
}

fn head(outcome: &Outcome) -> String {
    let mut text = format!("backend      {}", outcome.url);
    if let Some(gateway) = &outcome.through {
        text.push_str(&format!("\nthrough      {gateway}"));
    }
    if let Some(print) = &outcome.fingerprint {
        text.push_str(&format!("\nlooks like   {}", of(print)));
    }
    if !outcome.model.is_empty() {
        let embeddings = outcome.embeddings_model.as_ref().map(|model| format!(", {model} for embeddings"));
        text.push_str(&format!("\nmodel        {}{}", outcome.model, embeddings.unwrap_or_default()));
    }
    text.push('\n');
    text
}

fn of(print: &Fingerprint) -> String {
    let evidence = if print.evidence.is_empty() { "nothing tells".to_owned() } else { print.evidence.join("; ") };
    format!("{} ({evidence})", print.name)
}

fn row(check: &Checked, style: Style) -> String {
    let code = match check.verdict {
        Verdict::Pass => "32",
        Verdict::Fail => "31",
        Verdict::Deviation if !check.is_known() => "31",
        _ => "33",
    };
    let verdict = style.paint(code, &format!("{:11}", check.verdict.name()));
    let mut text = format!("  {verdict}  {:6}  {:11}  {}\n", check.id, check.level, check.title);
    let quiet = check.verdict == Verdict::Skipped || check.verdict == Verdict::Unsupported;
    for line in lines(check) {
        let line = if quiet { style.paint("2", &line) } else { line };
        text.push_str(&format!("{}{line}\n", " ".repeat(23)));
    }
    text
}

fn tail(outcome: &Outcome, style: Style) -> String {
    let mut text =
        format!("\n{} in {:.1} s, {} requests\n", sum(outcome), outcome.took.as_secs_f64(), outcome.requests);
    if let Some(why) = &outcome.stopped {
        text.push_str(&format!("{} {why}\n", style.paint("31", "stopped:")));
    }
    for quirk in &outcome.not_seen {
        text.push_str(&format!("expected and not seen: {quirk}\n"));
    }
    let unknown: Vec<&str> = outcome.deviations().filter(|one| !one.known).map(|one| one.quirk.as_str()).collect();
    let mut different: Vec<&str> = Vec::new();
    for quirk in unknown {
        if !different.contains(&quirk) {
            different.push(quirk);
        }
    }
    if !different.is_empty() {
        text.push_str(&format!("what is known from elsewhere can be announced: --quirks {}\n", different.join(",")));
        let like = outcome.fingerprint.as_ref().and_then(|print| profile(&print.name));
        if let Some(like) = like {
            text.push_str(&format!("or what is usual for this kind of server: --quirks {like}\n"));
        }
    }
    text.push_str(&verdict(outcome, style));
    text
}

fn verdict(outcome: &Outcome, style: Style) -> String {
    match (outcome.exit_code(), outcome.failing()) {
        (0, _) => style.paint("32", "the backend passes at this level\n"),
        (3, _) => style.paint("31", &format!("{}\n", outcome.unsaid().unwrap_or("nothing was checked".to_owned()))),
        (_, 0) => style.paint("31", "the backend does not pass\n"),
        (_, count) => {
            style.paint("31", &format!("the backend does not pass: {count} of its checks count at this level\n"))
        }
    }
}

/// What a gateway changed.
pub fn changes(direct: &Outcome, through: &Outcome, changes: &Changes, style: Style) -> String {
    let gateway = through.through.as_ref().unwrap_or(&through.url);
    let mut text = format!("directly     {}\nthrough      {gateway}\n", direct.url);
    for (line, count) in &changes.everywhere {
        text.push_str(&format!("everywhere   {line}, in {count} of {} checks; not told again\n", direct.checks.len()));
    }
    for change in &changes.checks {
        text.push_str(&format!("\n{}  {}\n", style.bold(&change.direct.id), change.direct.title));
        for (way, check) in [("directly", &change.direct), ("through", &change.through)] {
            text.push_str(&format!("  {way:9}  {}\n", check.verdict));
            for line in lines(check) {
                text.push_str(&format!("             {line}\n"));
            }
        }
        for line in change.differences.iter().take(DIFFERENCES) {
            text.push_str(&format!("  {line}\n"));
        }
        if change.differences.len() > DIFFERENCES {
            text.push_str(&format!("  … {} more\n", change.differences.len() - DIFFERENCES));
        }
    }
    text.push_str(&format!(
        "\n{} checks, {} changed by the gateway, {} for the worse\n",
        direct.checks.len(),
        changes.checks.len(),
        changes.worse().count()
    ));
    if let Some(why) = &through.stopped {
        text.push_str(&format!("{} {why}\n", style.paint("31", "stopped:")));
    }
    if let Some(unsaid) = through.unsaid() {
        text.push_str(&format!("{}\n", style.paint("31", &unsaid)));
        let mut reasons: Vec<&str> = Vec::new();
        for why in through.checks.iter().filter(|check| check.open).filter_map(|check| check.why.as_deref()) {
            if !reasons.contains(&why) {
                reasons.push(why);
            }
        }
        reasons.iter().take(REASONS).for_each(|why| text.push_str(&format!("  {why}\n")));
    }
    text
}

/// Reasons that are shown of checks that were not asked.
const REASONS: usize = 3;

/// Lines of difference that are shown of one check.
const DIFFERENCES: usize = 8;
