//! The Gateway API's own conformance suite, those tests of it that need no Pod (`ci/kube/conformance`), with our controller.

use std::path::Path;

use conformance::cluster::ApiServer;
use tokio::process::Command;

use crate::plane::own_server;
use crate::process::leader;
use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] = &[("official::the_tests_of_status_pass", status)];

fn status(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (server, _objects) = own_server().await?;
        let _controller = leader(&server, "default", &[]).await?;
        let output = go_test(&server).await?;
        let told = String::from_utf8_lossy(&output.stdout);
        let count =
            |verdict: &str| told.lines().filter(|line| line.starts_with(&format!("    --- {verdict}: "))).count();
        if !output.status.success() || (count("PASS"), count("SKIP")) != (16, 0) {
            return Err(format!("{told}{}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(())
    })
}

async fn go_test(server: &ApiServer) -> Result<std::process::Output, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/kube/conformance");
    let mut go = Command::new("go");
    go.args(["test", "-count=1", "-v", "./..."]).current_dir(folder).env("KUBECONFIG", server.kubeconfig()?);
    go.kill_on_drop(true).output().await.map_err(|error| format!("go is needed for the official suite: {error}").into())
}
