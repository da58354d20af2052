//! What only a real API server can tell. All tests share one, each in namespaces of its own; without the binaries
//! (`KUBEBUILDER_ASSETS`) they are told as ignored, and `ci/kube.sh` takes that for a failure.

mod charts;
mod controller;
mod crds;
mod data_plane;
mod data_plane_rights;
mod data_plane_scale;
mod objects;
mod official;
mod plane;
mod process;
mod stage;
mod support;
mod target;
mod tutorials;

use std::process::ExitCode;
use std::sync::Arc;

use conformance::cluster::Assets;
use libtest_mimic::{Arguments, Trial};
use support::{Test, World};

const TESTS: &[&[Test]] = &[
    charts::TESTS,
    controller::TESTS,
    crds::TESTS,
    data_plane::TESTS,
    data_plane_rights::TESTS,
    data_plane_scale::TESTS,
    objects::TESTS,
    official::TESTS,
    target::TESTS,
    tutorials::TESTS,
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let world = match Assets::find() {
        Ok(assets) => Some(Arc::new(World::new(assets))),
        Err(why) => {
            eprintln!("not run: {why}");
            None
        }
    };
    let trials = TESTS.concat().into_iter().map(|(name, test)| {
        let of_test = world.clone();
        let trial = Trial::test(name, move || test(&of_test.expect("ignored without a server")).map_err(Into::into));
        trial.with_ignored_flag(world.is_none())
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(world);
    conclusion.exit_code()
}
