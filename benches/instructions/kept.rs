//! The kept figures: a text file beside this one, and what has become of them since.
//! They are of one build and one kind of processor, and are compared with no other.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::callgrind::Profile;

/// How much a case may grow.
const MOST_GROWTH: f64 = 0.03;
/// Functions below this share of a case are not kept.
const SMALLEST: f64 = 0.001;
/// Functions that are named when a case has grown.
const NAMED: usize = 15;

/// What decides on a count besides the code, and makes every other comparison senseless.
const SAME: [&str; 2] = ["build", "architecture"];

/// Figures with what made and counted the instructions.
#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    /// Names and values.
    pub(crate) made: Vec<(String, String)>,
    pub(crate) cases: Vec<(String, Profile)>,
}

impl Kept {
    /// No figures yet, of this program on this machine.
    pub(crate) fn new() -> io::Result<Self> {
        let program = std::env::current_exe()?;
        // target/debug/examples/instructions: the folder is the build's
        let build = program.parent().and_then(Path::parent).and_then(Path::file_name).unwrap_or_default();
        let made = [
            ("build", build.to_string_lossy().into_owned()),
            ("architecture", std::env::consts::ARCH.to_owned()),
            ("vectors", vectors().to_owned()),
            ("compiler", version("rustc")?),
            ("counter", version("valgrind")?),
        ];
        Ok(Self { made: made.map(|(name, value)| (name.to_owned(), value)).into(), cases: Vec::new() })
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
        let mut text: String = self.made.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
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
        let mut kept = Self { made: Vec::new(), cases: Vec::new() };
        for line in text.lines() {
            if let (true, Some((name, value))) = (kept.cases.is_empty(), line.split_once(": ")) {
                kept.made.push((name.to_owned(), value.to_owned()));
            } else if let Some(function) = line.strip_prefix("  ") {
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

    /// How others were made than these, line by line.
    pub(crate) fn made_otherwise(&self, now: &Self) -> io::Result<Vec<String>> {
        let mut differences = Vec::new();
        for (name, value) in &now.made {
            let before = self.made.iter().find(|(known, _)| known == name).map_or("unknown", |(_, value)| value);
            if before == value {
                continue;
            }
            if SAME.contains(&name.as_str()) {
                let why = format!("kept.txt has the {name} {before}, and this is {value}: nothing can be compared");
                return Err(io::Error::other(why));
            }
            differences.push(format!("another {name}: kept with {before}, now {value}"));
        }
        Ok(differences)
    }
}

/// What a program says of itself.
fn version(program: &str) -> io::Result<String> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{program} cannot be run: {error}"));
    let said = Command::new(program).arg("--version").output().map_err(failed)?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Instructions that searches take where the processor has them.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "avx2";
    }
    "those of every processor"
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
        let kept = Kept { made: made("rustc 1.0 (a 2026)", "debug"), cases };
        assert_eq!(Kept::parse(&kept.text()), Some(kept));
        assert_eq!(Kept::parse("compiler: rustc 1.0\njson core many\n"), None);
    }

    #[test]
    fn another_compiler_is_named_and_another_build_is_not_compared() {
        let kept = |compiler, build| Kept { made: made(compiler, build), cases: Vec::new() };
        let told = kept("rustc 1.0", "debug").made_otherwise(&kept("rustc 1.1", "debug")).unwrap();
        assert_eq!(told, ["another compiler: kept with rustc 1.0, now rustc 1.1"]);
        assert_eq!(kept("rustc 1.0", "debug").made_otherwise(&kept("rustc 1.0", "debug")).unwrap(), [""; 0]);
        let refused = kept("rustc 1.0", "debug").made_otherwise(&kept("rustc 1.0", "release")).unwrap_err();
        assert!(refused.to_string().contains("build debug, and this is release"), "{refused}");
    }

    fn made(compiler: &str, build: &str) -> Vec<(String, String)> {
        vec![("build".to_owned(), build.to_owned()), ("compiler".to_owned(), compiler.to_owned())]
    }

    #[test]
    fn growth_beyond_the_bar_is_refused_and_what_grew_is_named() {
        let before = profile(900.0, &[("a", 500.0), ("b", 400.0)]);
        let now = profile(935.0, &[("a", 480.0), ("b", 425.0), ("c", 30.0)]);
        assert!(is_level("x", &before, &profile(929.0, &[])) && !is_level("x", &before, &now));
        assert_eq!(grown(&before, &now), [("c", 30.0, 0.0), ("b", 425.0, 400.0)]);
    }
}
