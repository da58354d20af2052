//! How many instructions does an exchange cost, and has that grown?
//!
//! Client, proxy and provider run on one thread under callgrind, so that the count repeats on a busy machine; what client
//! and provider cost without a proxy is taken off. `ci/instructions.sh` compares with `kept.txt` and fails when a case has
//! grown by more than 3 %, with the functions that did; `--keep` keeps the figures of today, `--count` only tells them.

mod callgrind;
mod exchange;
mod kept;

use std::io;
use std::process::ExitCode;

use callgrind::Profile;
use exchange::{Case, Proxy};
use kept::Kept;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", proxy, case, exchanges] => child(proxy, case, exchanges).map(|()| true),
        [] => measure().and_then(|now| compare(&now)),
        ["--keep"] => measure().and_then(|now| now.write()).map(|()| true),
        ["--count"] => measure().map(|_| true),
        _ => Err(io::Error::other(
            "there is --keep, which keeps the figures of today, and --count, which compares nothing",
        )),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::from(2)
        }
    }
}

fn child(proxy: &str, case: &str, exchanges: &str) -> io::Result<()> {
    exchange::run(proxy.parse()?, case.parse()?, exchanges.parse().map_err(io::Error::other)?)
}

/// Counts all cases, and tells how they stand to the floor.
fn measure() -> io::Result<Kept> {
    let mut now = Kept::new()?;
    let made: Vec<&str> = now.made.iter().map(|(_, value)| value.as_str()).collect();
    println!("{}", made.join(", "));
    println!("instructions of one exchange   floor  gateway          of it telemetry  allocations (floor)");
    for case in Case::ALL {
        let none = Profile::of_exchange(Proxy::None, case)?;
        let floor = Profile::of_exchange(Proxy::Floor, case)?.without(&none);
        let gateway = Profile::of_exchange(Proxy::Gateway, case)?.without(&none);
        let all = gateway.core + gateway.telemetry;
        println!(
            "{case:27} {:>8.0} {all:>8.0} ({:.2}×) {:>17.0} {:>12.1} ({:.1})",
            floor.core,
            all / floor.core,
            gateway.telemetry,
            gateway.allocations,
            floor.allocations
        );
        now.cases.push((case.to_string(), gateway));
    }
    Ok(now)
}

/// Whether no case costs much more than what was kept.
fn compare(now: &Kept) -> io::Result<bool> {
    let kept = Kept::read()?;
    let differences = kept.made_otherwise(now)?;
    let mut level = true;
    for (case, profile) in &now.cases {
        let before = kept.cases.iter().find(|(name, _)| name == case);
        let (_, before) = before.ok_or_else(|| io::Error::other(format!("nothing is kept of {case}")))?;
        level &= kept::is_level(case, before, profile);
    }
    differences.iter().for_each(|difference| println!("{difference}"));
    if !(level || differences.is_empty()) {
        println!(
            "that makes other instructions: where the code is the same, keep the figures with ci/instructions.sh --keep"
        );
    }
    Ok(level)
}
