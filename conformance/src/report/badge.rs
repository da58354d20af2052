//! A badge in SVG: how many MUST scenarios passed, of which suite, when. Needs no font of its own.

use super::date;
use super::escape::xml as escape;
use super::model::Report;

/// The whole image.
pub fn text(report: &Report) -> String {
    let (left, right) = ("windtunnel", message(report));
    let (left_width, right_width) = (box_width(left), box_width(&right));
    let width = left_width + right_width;
    let title = escape(&format!("{left}: {right}"));
    let (left_text, right_text) = (label(left, 0, left_width), label(&right, left_width, right_width));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">
  <title>{title}</title>
  <linearGradient id="shine" x2="0" y2="100%">
    <stop offset="0" stop-color="#bbb" stop-opacity=".1"/>
    <stop offset="1" stop-opacity=".1"/>
  </linearGradient>
  <clipPath id="round"><rect width="{width}" height="20" rx="3" fill="#fff"/></clipPath>
  <g clip-path="url(#round)">
    <rect width="{left_width}" height="20" fill="#444"/>
    <rect x="{left_width}" width="{right_width}" height="20" fill="{colour}"/>
    <rect width="{width}" height="20" fill="url(#shine)"/>
  </g>
  <g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">
{left_text}{right_text}  </g>
</svg>
"##,
        colour = colour(report)
    )
}

/// `18/18 MUST · suite 0.1 · 2026-11`; what the target does not claim to do is not counted.
fn message(report: &Report) -> String {
    let version: Vec<&str> = report.suite.version.split('.').take(2).collect();
    let (passed, all) = musts(report);
    let sabotaged = if report.run.sabotage.is_some() { " · sabotaged" } else { "" };
    format!("{passed}/{all} MUST · suite {} · {}{sabotaged}", version.join("."), date::month(report.run.started))
}

fn musts(report: &Report) -> (usize, usize) {
    let musts = report.profiles.iter().map(|profile| &profile.must);
    musts.fold((0, 0), |(passed, all), must| {
        (usize::saturating_add(passed, must.held()), usize::saturating_add(all, must.claimed()))
    })
}

/// By the worst of all results; white on each has a contrast of at least 4.5.
fn colour(report: &Report) -> &'static str {
    let any = |result: &str| report.profiles.iter().any(|profile| profile.result == result);
    match () {
        () if any("failure") => "#c5221f",
        () if any("partial") => "#8a6100",
        () if any("success") => "#137333",
        () => "#5f6368",
    }
}

/// A text with its shadow in the middle of a box; `textLength` keeps it there in any font.
fn label(text: &str, x: usize, width: usize) -> String {
    let middle = (x * 2 + width) as f64 / 2.0;
    let (length, text) = (width - 2 * PADDING, escape(text));
    format!(
        "    <text x=\"{middle}\" y=\"15\" fill=\"#010101\" fill-opacity=\".3\" textLength=\"{length}\" aria-hidden=\"true\">{text}</text>\n    <text x=\"{middle}\" y=\"14\" textLength=\"{length}\">{text}</text>\n"
    )
}

const PADDING: usize = 6;

fn box_width(text: &str) -> usize {
    // A text is a few dozen characters: the sum is far from any limit.
    let tenths: usize = text.chars().map(tenths).sum();
    tenths.div_ceil(10) + 2 * PADDING
}

/// The width of a character in Verdana of 11 pixels, in tenths of a pixel.
fn tenths(c: char) -> usize {
    match c {
        'i' | 'j' | 'l' => 30,
        ' ' | '.' | ',' | '·' | 'I' => 40,
        'f' | 't' | 'r' | '/' | '-' | '(' | ')' | ':' => 47,
        's' | 'c' | 'z' | 'k' | 'v' | 'x' | 'y' => 61,
        'm' | 'w' | 'M' | 'W' => 100,
        'A'..='Z' => 80,
        _ => 70,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_take_more_room_than_narrow_ones() {
        assert!(box_width("WWWW") > 2 * box_width("iiii") - 2 * PADDING);
        assert_eq!(box_width(""), 2 * PADDING);
    }
}
