//! The kept figures: a text file beside this one, and what has become of them since.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::callgrind::Profile;

/// How much a case may grow.
const MOST_GROWTH: f64 = 0.03;
/// Functions below this share of a case are not kept.
const SMALLEST: f64 = 0.001;
/// Functions that are named when a case has grown.
const NAMED: usize = 15;

/// Figures with the compiler that made the instructions.
#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) compiler: String,
    pub(crate) cases: Vec<(String, Profile)>,
}

impl Kept {
    /// No figures yet.
    pub(crate) fn new() -> io::Result<Self> {
        let said = std::process::Command::new("rustc").arg("--version").output()?;
        Ok(Self { compiler: String::from_utf8_lossy(&said.stdout).trim().to_owned(), cases: Vec::new() })
    }

    /// Those of the repository.
    pub(crate) fn read() -> io::Result<Self> {
        let text = std::fs::read_to_string(path())?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::other("instructions/kept.txt cannot be read: keep the figures anew"))
    }

    /// From now on these are those of the repository.
    pub(crate) fn write(&self) -> io::Result<()> {
        std::fs::write(path(), self.text())
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.compiler);
        for (case, profile) in &self.cases {
            let Profile { core, telemetry, allocations, .. } = profile;
            let _infallible =
                writeln!(text, "{case} core {core:.0} telemetry {telemetry:.0} allocations {allocations:.1}");
            let smallest = SMALLEST * (core + telemetry);
            let mut functions: Vec<_> = profile.functions.iter().filter(|(_, count)| **count >= smallest).collect();
            functions.sort_by(|one, other| other.1.total_cmp(one.1).then(one.0.cmp(other.0)));
            for (name, count) in functions {
                let _infallible = writeln!(text, "  {count:.0} {name}");
            }
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut kept = Self { compiler: lines.next()?.to_owned(), cases: Vec::new() };
        for line in lines {
            if let Some(function) = line.strip_prefix("  ") {
                let (count, name) = function.split_once(' ')?;
                kept.cases.last_mut()?.1.functions.insert(name.to_owned(), count.parse().ok()?);
            } else {
                let words: Vec<_> = line.split(' ').collect();
                let [case, "core", core, "telemetry", telemetry, "allocations", allocations] = words[..] else {
                    return None;
                };
                let (core, telemetry) = (core.parse().ok()?, telemetry.parse().ok()?);
                let profile = Profile { core, telemetry, allocations: allocations.parse().ok()?, ..Profile::default() };
                kept.cases.push((case.to_owned(), profile));
            }
        }
        Some(kept)
    }
}

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "instructions", "kept.txt"].iter().collect()
}

/// Whether a case costs about what it did; tells what has changed.
pub(crate) fn is_level(case: &str, before: &Profile, now: &Profile) -> bool {
    let (old, new) = (before.core + before.telemetry, now.core + now.telemetry);
    let growth = new / old - 1.0;
    println!("{case}: {old:.0} kept, {new:.0} now ({:+.1} %)", growth * 100.0);
    if growth < -MOST_GROWTH {
        println!("  that is a win: keep it with ci/instructions.sh --keep");
    }
    if growth <= MOST_GROWTH {
        return true;
    }
    println!("  MORE than {:.0} % above; what grew, of each function itself:", MOST_GROWTH * 100.0);
    for (name, count, before) in grown(before, now) {
        println!("  {:+8.0}  {before:.0} to {count:.0}  {name}", count - before);
    }
    false
}

/// The functions that grew the most: name, now, before. What was too small to be kept counts as none.
fn grown<'p>(before: &Profile, now: &'p Profile) -> Vec<(&'p str, f64, f64)> {
    let all = now.functions.iter().map(|(name, count)| {
        let before = before.functions.get(name).copied().unwrap_or_default();
        (name.as_str(), *count, before)
    });
    let smallest = SMALLEST * (now.core + now.telemetry);
    let mut grown: Vec<_> = all.filter(|(_, count, before)| count - before > smallest).collect();
    grown.sort_by(|one, other| (other.1 - other.2).total_cmp(&(one.1 - one.2)));
    grown.truncate(NAMED);
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(core: f64, functions: &[(&str, f64)]) -> Profile {
        let functions = functions.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Profile { core, telemetry: 100.0, allocations: 7.5, functions }
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let cases = vec![("json".to_owned(), profile(900.0, &[("<a as b<c>>::d", 600.0), ("e f", 300.0)]))];
        let kept = Kept { compiler: "rustc 1.0".to_owned(), cases };
        assert_eq!(Kept::parse(&kept.text()), Some(kept));
        assert_eq!(Kept::parse("rustc 1.0\njson core many\n"), None);
    }

    #[test]
    fn growth_beyond_the_bar_is_refused_and_what_grew_is_named() {
        let before = profile(900.0, &[("a", 500.0), ("b", 400.0)]);
        let now = profile(935.0, &[("a", 480.0), ("b", 425.0), ("c", 30.0)]);
        assert!(is_level("x", &before, &profile(929.0, &[])) && !is_level("x", &before, &now));
        assert_eq!(grown(&before, &now), [("c", 30.0, 0.0), ("b", 425.0, 400.0)]);
    }
}
