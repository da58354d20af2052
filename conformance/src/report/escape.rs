//! Foreign text made harmless for terminals and for markup. What HTML pages hold is escaped by their templates.

/// One line that does nothing to a terminal: what moves the cursor, ends a line or turns the direction of writing stands
/// there as its escape, `\u{1b}`.
pub(crate) fn tamed(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Escaped for text and attributes of XML; characters that XML cannot hold are replaced.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_turns_the_direction_of_writing_is_told_as_its_escape() {
        let turning = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}'];
        for c in turning.into_iter().chain('\u{2066}'..='\u{2069}') {
            assert_eq!(tamed(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
        assert_eq!(tamed("ab العربية 语"), "ab العربية 语");
    }
}
