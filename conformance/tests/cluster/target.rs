//! The target `kubernetes` as its users run it: scenarios as objects, on the tests' own server.

use std::path::Path;
use std::process::Command;

use conformance::cluster::{ApiServer, Assets, Objects};

use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] =
    &[("target::scenarios_leave_no_object_behind_and_disturb_no_cluster_of_others", leaves_nothing)];

fn run(kubeconfig: &Path, ids: &[&str]) -> Result<String, Failure> {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_windtunnel"));
    command.current_dir(repository).env("KUBECONFIG", kubeconfig).arg("run").args(ids);
    let output = command.args(["--target", "kubernetes"]).output()?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// On a server of its own: the run's controller would look after other tests' objects, too.
fn leaves_nothing(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let server = ApiServer::start(&Assets::find()?).await?;
        let kubeconfig = server.kubeconfig()?;
        let objects = Objects::of(&kubeconfig).await?;
        objects.apply_crds(&server.assets().gateway_api()).await?;
        objects.apply_our_crds().await?;
        let told = run(&kubeconfig, &["FO-01", "AU-11", "CL-18"])?;
        assert!(told.contains("2 passed, 1 unsupported"), "{told}");
        assert!(told.contains("the cluster is not ours"), "{told}");
        for path in ["/apis/gateway.networking.k8s.io/v1/httproutes", "/api/v1/secrets"] {
            let request = http::Request::get(path).body(Vec::new())?;
            let left = objects.client().request_text(request).await?;
            assert!(left.contains("\"items\":[]"), "{left}");
        }
        Ok(())
    })
}
