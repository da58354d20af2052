//! Markdown: a summary and one table, for an issue or a wiki.

use super::super::finding::Verdict;
use super::super::outcome::{Checked, Outcome};
use super::{lines, sum};

/// The whole document.
pub fn text(outcome: &Outcome) -> String {
    let mut text = format!("# Validation of {}\n\n", outcome.url);
    if let Some(gateway) = &outcome.through {
        text.push_str(&format!("Through {gateway}.\n\n"));
    }
    if let Some(print) = &outcome.fingerprint {
        text.push_str(&format!("Looks like **{}**", print.name));
        let evidence = print.evidence.iter().map(|seen| cell(seen)).collect::<Vec<_>>().join("; ");
        text.push_str(&if evidence.is_empty() { ".\n".to_owned() } else { format!(": {evidence}.\n") });
        text.push_str(&format!("Model `{}`.\n", outcome.model.replace('`', "'")));
    }
    text.push_str(&format!("{}.\n", sum(outcome)));
    if let Some(why) = &outcome.stopped {
        text.push_str(&format!("\n**Stopped:** {}\n", cell(why)));
    }
    if let Some(unsaid) = outcome.unsaid() {
        text.push_str(&format!("\n**No pass:** {unsaid}\n"));
    }
    for quirk in &outcome.not_seen {
        text.push_str(&format!("\nExpected and not seen: `{quirk}`.\n"));
    }
    text.push_str("\n| check | level | verdict | what was seen |\n|---|---|---|---|\n");
    for check in &outcome.checks {
        text.push_str(&row(check));
    }
    text
}

fn row(check: &Checked) -> String {
    let verdict = match check.verdict {
        Verdict::Fail => "**fail**".to_owned(),
        Verdict::Deviation if !check.is_known() => "**deviation**".to_owned(),
        other => other.to_string(),
    };
    let seen: Vec<String> = lines(check).iter().map(|line| cell(line)).collect();
    format!("| {} {} | {} | {verdict} | {} |\n", check.id, cell(&check.title), check.level, seen.join("<br>"))
}

/// Text that stays in its cell and means nothing to Markdown.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
