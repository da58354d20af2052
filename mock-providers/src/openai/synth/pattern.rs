//! Texts that match a regular expression.
//!
//! Owns choosing one; expressions that look around, or refer back, are left to luck.

use std::ops::RangeInclusive;

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::digest::Random;

/// Nobody gets longer texts.
const LONGEST: usize = 100_000;

/// A text of this length in characters that matches as a whole.
pub(super) fn matching(pattern: &str, length: RangeInclusive<usize>, random: &mut Random) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let text = |extra: usize, random: &mut Random| {
        let mut text = String::new();
        write(&hir, extra, random, &mut text).map(|()| text)
    };
    // How far repetitions go beyond their least: a little, not at all, and as far as the length needs.
    let bare = text(0, random)?.chars().count();
    let one_more = text(1, random)?.chars().count();
    let needed = length.start().saturating_sub(bare).div_ceil(one_more.saturating_sub(bare).max(1));
    let tries = [1 + random.below(4), 0, needed, needed + 1, needed + 2];
    tries.into_iter().filter_map(|extra| text(extra, random)).find(|text| length.contains(&text.chars().count()))
}

fn write(hir: &Hir, extra: usize, random: &mut Random, out: &mut String) -> Option<()> {
    if out.len() > LONGEST {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => out.push(letter(class, random)?),
        HirKind::Capture(capture) => write(&capture.sub, extra, random, out)?,
        HirKind::Concat(all) => all.iter().try_for_each(|one| write(one, extra, random, out))?,
        HirKind::Alternation(all) => write(&all[random.below(all.len())], extra, random, out)?,
        HirKind::Repetition(repetition) => {
            let least = repetition.min as usize;
            let most = repetition.max.map_or(usize::MAX, |most| most as usize);
            for _ in 0..least.saturating_add(extra).min(most) {
                let before = out.len();
                write(&repetition.sub, extra, random, out)?;
                if out.len() == before {
                    break;
                }
            }
        }
    }
    Some(())
}

/// A letter of the class, one that is easy on the eye if there is one.
fn letter(class: &Class, random: &mut Random) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let plain = [('a', 'z'), ('A', 'Z'), ('0', '9'), ('!', '~'), (' ', ' ')];
    let common = plain.iter().find_map(|(low, high)| {
        class.ranges().iter().find_map(|range| {
            let (low, high) = (range.start().max(*low), range.end().min(*high));
            (low <= high).then_some((low, high))
        })
    });
    let (low, high) = common.or_else(|| class.ranges().first().map(|range| (range.start(), range.end())))?;
    let span = (high as u32 - low as u32) as usize;
    char::from_u32(low as u32 + random.below(span + 1) as u32).or(Some(low))
}
