//! The one place where an outcome loses its secrets: everything in it that is not the scenario's own shape.

use crate::mask::Masks;
use crate::outcome::Outcome;

/// Replaces secrets in all texts of an outcome, and gives each failure the line of the file it is about.
pub(super) fn hide(outcome: &mut Outcome, masks: &Masks) {
    for failure in &mut outcome.failures {
        let line = failure.line.checked_sub(1).and_then(|line| outcome.source.text.lines().nth(line));
        let line = line.unwrap_or_default().trim_end();
        failure.excerpt = masks.hide(line);
        if failure.excerpt != line {
            // Columns are not what they were.
            failure.width = 0;
        }
        failure.path = masks.hide(&failure.path);
        failure.expected = masks.hide(&failure.expected);
        failure.actual = masks.hide(&failure.actual);
    }
    outcome.title = masks.hide(&outcome.title);
    outcome.why = outcome.why.as_deref().map(|why| masks.hide(why));
    for entry in &mut outcome.transcript.0 {
        entry.text = masks.hide(&entry.text);
    }
}
