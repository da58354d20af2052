//! The catalogue of checks as text: what there is, and what one of them is about.

use super::super::check::Check;
use super::super::checks::{AREAS, all};
use super::super::deviation::Deviation;
use crate::render::Style;

/// All checks, by area.
pub fn list(style: Style) -> String {
    let mut text = String::new();
    for (area, title) in AREAS {
        text.push_str(&format!("{}\n", style.bold(title)));
        for check in all().iter().filter(|check| check.area() == *area) {
            text.push_str(&format!("  {:6}  {:11}  {}\n", check.id, check.level, check.title));
        }
    }
    text
}

/// One check, with the deviations that it tells.
pub fn explain(check: &Check, style: Style) -> String {
    let mut text = format!("{} {}\n  {} · {}\n", style.bold(check.id), check.title, check.level, check.anchor);
    for name in check.recognises {
        let Some(deviation) = Deviation::of(name) else { continue };
        text.push_str(&format!("\n  {} {}\n", deviation.ids(), style.bold(name)));
        text.push_str(&format!("    {}\n", deviation.quirk.text));
        text.push_str(&format!("    means:      {}\n    what helps: {}\n", deviation.means, deviation.workaround));
    }
    text
}
