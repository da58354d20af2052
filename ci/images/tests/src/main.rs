//! What only containers can tell: gateway and mock providers from the image, each in a container of a private network, the
//! client on the host. Without Docker the tests are told as ignored, and `ci/images.sh` takes that for a failure.

mod bridge;
mod client;
mod gateway;
mod kills;
mod provider;
mod stage;

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use stage::Test;

const TESTS: &[&[Test]] = &[provider::TESTS, gateway::TESTS, kills::TESTS];
/// The Docker API that testcontainers speaks, whatever the engine's is.
const SPOKEN: (u32, u32) = (1, 53);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let engine = engine();
    if let Some(engine) = engine.filter(|engine| *engine < SPOKEN) {
        return bridge::through(engine);
    }
    if engine.is_none() {
        eprintln!("not run: `docker version` names no engine");
    }
    let trials = TESTS.concat().into_iter().map(|(name, test)| {
        Trial::test(name, move || stage::run(test).map_err(Into::into)).with_ignored_flag(engine.is_none())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The newest API of the engine, or what the bridge to it lets through.
fn engine() -> Option<(u32, u32)> {
    if std::env::var_os(bridge::BRIDGED).is_some() {
        return Some(SPOKEN);
    }
    let told = Command::new("docker").args(["version", "--format", "{{.Server.APIVersion}}"]).output().ok()?;
    let (major, minor) = std::str::from_utf8(&told.stdout).ok()?.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
