//! Names on the command line: which ids a pattern fits, and what a name that fits nothing was meant to be.
//! Knows nothing of scenarios but their ids.

use gateway::yaml::did_you_mean;

/// How many ids are proposed at most.
const PROPOSED: usize = 3;

/// Whether a pattern with `*`, `?` and `[15]`, `[1-5]`, `[!1]` fits, letter case aside.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut expression = String::from("(?i)^");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' if rest.find(']').is_some_and(|end| end > 0) => {
                let (class, after) = rest.split_once(']').unwrap_or((rest, ""));
                expression.push_str(&one_of(class));
                rest = after;
            }
            c => expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    regex::Regex::new(&expression).is_ok_and(|pattern| pattern.is_match(text))
}

/// One character of a set; only `-` between two of them has a meaning.
fn one_of(class: &str) -> String {
    let (not, members) = class.strip_prefix('!').map_or(("", class), |members| ("^", members));
    let plain = |c: char| if c.is_alphanumeric() || c == '-' { c.to_string() } else { format!("\\{c}") };
    format!("[{not}{}]", members.chars().map(plain).collect::<String>())
}

/// A typing slip away, or the only name that has all letters of the word in its order.
pub(super) fn closest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let names: Vec<&str> = names.collect();
    let mut spread = names.iter().copied().filter(|name| word.len() >= 3 && spreads(word, name));
    did_you_mean(word, names.iter().copied()).or_else(|| spread.next().filter(|_| spread.next().is_none()))
}

fn spreads(word: &str, name: &str) -> bool {
    let mut letters = name.chars();
    name.chars().next() == word.chars().next() && word.chars().all(|c| letters.any(|letter| letter == c))
}

/// A typing slip away, or those of the same group with the nearest numbers.
pub(super) fn closest_ids<'n>(word: &str, ids: impl Iterator<Item = &'n str> + Clone) -> Vec<String> {
    let Some((group, number)) = numbered(word) else {
        return did_you_mean(word, ids).map(str::to_owned).into_iter().collect();
    };
    let mut near: Vec<(u32, &str)> = ids
        .clone()
        .filter_map(|id| numbered(id).filter(|(own, _)| own.eq_ignore_ascii_case(group)).map(|(_, n)| (n, id)))
        .collect();
    if near.is_empty() {
        return did_you_mean(word, ids).map(str::to_owned).into_iter().collect();
    }
    near.sort_by_key(|(own, _)| own.abs_diff(number));
    near.truncate(if near[0].0 == number { 1 } else { PROPOSED });
    near.sort_unstable();
    near.into_iter().map(|(_, id)| id.to_owned()).collect()
}

/// Whether it is an id: a group in capital letters and a number.
pub(crate) fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(group, number)| {
        let letters = !group.is_empty() && group.chars().all(|c| c.is_ascii_uppercase());
        letters && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
    })
}

/// `FO-07` is number 7 of group `FO`.
fn numbered(id: &str) -> Option<(&str, u32)> {
    let (group, number) = id.rsplit_once('-')?;
    Some((group, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_ids() {
        assert!(glob("FO-*", "FO-01"));
        assert!(glob("fo-0?", "FO-01"));
        assert!(!glob("FO", "FO-01"));
        assert!(!glob("FO-1", "FO-11"));
    }

    #[test]
    fn globs_know_sets_of_characters() {
        let fitting = |pattern: &str| {
            let ids = ["FO-01", "FO-02", "FO-05"].into_iter();
            ids.filter(|id| glob(pattern, id)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(fitting("FO-0[15]"), "FO-01 FO-05");
        assert_eq!(fitting("FO-0[1-2]"), "FO-01 FO-02");
        assert_eq!(fitting("FO-0[!1]"), "FO-02 FO-05");
        assert_eq!((fitting("FO-0["), fitting("FO-0[]")), (String::new(), String::new()));
        assert!(glob("a[", "a["));
    }

    #[test]
    fn a_name_that_fits_nothing_gets_its_nearest() {
        let ids = ["FO-01", "FO-02", "FO-08", "FO-09", "ST-99"];
        assert_eq!(closest_ids("FO-99", ids.into_iter()), ["FO-02", "FO-08", "FO-09"]);
        assert_eq!(closest_ids("fo-1", ids.into_iter()), ["FO-01"]);
        assert_eq!(closest_ids("FP-01", ids.into_iter()), ["FO-01"]);
        assert_eq!(closest_ids("nothing-like-it", ids.into_iter()), Vec::<String>::new());
        assert_eq!(closest("strem", ["core", "streaming", "failover"].into_iter()), Some("streaming"));
        assert_eq!(closest("no-such", ["core", "streaming"].into_iter()), None);
    }
}
