//! What those who write scenarios and target files rely on: schemas, skeletons, files outside the repository, values
//! from the command line and the environment, and the examples of the documentation.

#[path = "authoring/crds.rs"]
mod crds;
#[path = "authoring/docs.rs"]
mod docs;
#[path = "authoring/files.rs"]
mod files;
#[path = "authoring/manifests.rs"]
mod manifests;
#[path = "authoring/schema.rs"]
mod schema;
#[path = "authoring/values.rs"]
mod values;

use std::path::Path;
use std::process::Command;

/// The binary in a folder that has nothing to do with the repository.
fn windtunnel(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.args(arguments).env("NO_COLOR", "1").current_dir(folder);
    command.envs(environment.iter().copied());
    let output = command.output().expect("windtunnel runs");
    let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output.status.code().expect("an exit code"), told)
}

/// The repository.
fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
