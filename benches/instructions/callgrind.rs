//! Runs this program again under callgrind and reads what it counted: instructions by function, and allocations.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::exchange::{Case, Proxy};

/// The C library copies in the same way on every processor; with `rep movsb` an instruction would be a byte.
const PLAIN_COPIES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-SSSE3,-ERMS");

/// Who is asked for memory.
const ALLOCATORS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];

/// What was counted, of a whole run or of one exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile {
    /// Instructions of the thread that serves.
    pub(crate) core: f64,
    /// Instructions of all others: records are counted and logged there.
    pub(crate) telemetry: f64,
    /// Calls for memory, on all threads.
    pub(crate) allocations: f64,
    /// Instructions of each function itself, on all threads.
    pub(crate) functions: HashMap<String, f64>,
}

impl Profile {
    /// What one exchange costs: the difference of a longer and a shorter run, so that the start cancels out.
    pub(crate) fn of_exchange(proxy: Proxy, case: Case) -> io::Result<Self> {
        let [few, many] = case.exchanges();
        let (short, long) = (run(proxy, case, few)?, run(proxy, case, many)?);
        let each = |long: f64, short: f64| (long - short) / (many - few) as f64;
        let functions = long.functions.iter().map(|(name, count)| {
            let before = short.functions.get(name).copied().unwrap_or_default();
            (name.clone(), each(*count, before))
        });
        Ok(Self {
            core: each(long.core, short.core),
            telemetry: each(long.telemetry, short.telemetry),
            allocations: each(long.allocations, short.allocations),
            functions: functions.collect(),
        })
    }

    /// What is left without client and provider.
    pub(crate) fn without(mut self, others: &Self) -> Self {
        self.core -= others.core;
        self.telemetry -= others.telemetry;
        self.allocations -= others.allocations;
        for (name, count) in &others.functions {
            *self.functions.entry(name.clone()).or_default() -= count;
        }
        self
    }
}

fn run(proxy: Proxy, case: Case, exchanges: usize) -> io::Result<Profile> {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--separate-threads=yes", "--compress-strings=no", "--compress-pos=no", "-q"])
        .arg(format!("--callgrind-out-file={}", folder.path().join("out").display()))
        .arg(program)
        .args(["--run", &proxy.to_string(), &case.to_string(), &exchanges.to_string()])
        .env(PLAIN_COPIES.0, PLAIN_COPIES.1)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| io::Error::new(error.kind(), format!("valgrind cannot be run: {error}")))?;
    if !status.success() {
        return Err(io::Error::other(format!("{proxy} {case} {exchanges} under valgrind: {status}")));
    }
    read(folder.path())
}

/// Sums up the files of all threads; the first is the one that serves.
fn read(folder: &Path) -> io::Result<Profile> {
    let mut profile = Profile::default();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        let total = read_thread(&text, &mut profile);
        let serving = path.extension().is_none() && path.to_string_lossy().ends_with("-01");
        *if serving { &mut profile.core } else { &mut profile.telemetry } += total;
    }
    Ok(profile)
}

/// Adds what one thread did; returns its instructions.
fn read_thread(text: &str, profile: &mut Profile) -> f64 {
    let (mut function, mut called, mut total) = ("", "", 0.0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = plain(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = plain(name);
        } else if let Some(call) = line.strip_prefix("calls=") {
            let times: f64 = call.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default();
            if ALLOCATORS.contains(&called) {
                profile.allocations += times;
            }
            // what the called function took, which is told where it is defined
            lines.next();
        } else if line.starts_with(|c: char| c.is_ascii_digit())
            && let Some(count) = line.split(' ').nth(1).and_then(|count| count.parse::<f64>().ok())
        {
            *profile.functions.entry(function.to_owned()).or_default() += count;
            total += count;
        }
    }
    total
}

/// A function's name without the compiler's hash and the mark of a recursion.
fn plain(name: &str) -> &str {
    let once = name.rsplit_once('\'').filter(|(_, rest)| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let name = once.map_or(name, |(name, _)| name);
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_instructions_are_summed_and_those_of_called_functions_are_not() {
        let text = "events: Ir\n\nfn=a::b::h0123456789abcdef\n10 5\ncfn=malloc\ncalls=3 0\n12 700\n13 2\n\n\
                    fn=malloc\n1 700\nfn=a::b::h0123456789abcdef'2\n9 1\n";
        let mut profile = Profile::default();
        assert_eq!(read_thread(text, &mut profile), 708.0);
        assert_eq!((profile.functions["a::b"], profile.functions["malloc"], profile.allocations), (8.0, 700.0, 3.0));
    }
}
