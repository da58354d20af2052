//! The Helm charts and the script of the kind cluster, on an API server without nodes. `ci/tools/build.sh` builds Helm.

use std::path::{Path, PathBuf};
use std::process::Output;

use conformance::cluster::{ApiServer, Objects};
use serde_json::json;
use tokio::process::Command;

use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] = &[
    ("charts::the_api_server_takes_every_manifest_that_they_render", rendered),
    ("charts::an_installation_serves_the_tutorials_and_passes_the_job", rehearsed),
];

fn rendered(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (tools, server) = (tools().await?, ApiServer::start(world.assets()).await?);
        let objects = Objects::of(&server.kubeconfig()?).await?;
        for crds in [server.assets().gateway_api(), tools.join("monitoring")] {
            objects.apply_crds(&crds).await?;
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "windtunnel-system"}});
        objects.apply(&namespace).await?;
        // those of the chart are in use for the others
        let template = "helm template windtunnel ci/helm/windtunnel-crds";
        let apply = "kubectl apply --server-side -f -";
        taken(&shell(&server, &tools, &format!("{template} | {apply}")).await?, 5)?;
        objects.established().await?;
        let template = "helm template windtunnel ci/helm/windtunnel --namespace windtunnel-system --values";
        for (values, count) in [("default", 8), ("everything", 24)] {
            let render = format!("{template} ci/helm/values/{values}.yaml");
            let told = shell(&server, &tools, &format!("{render} | {apply} --dry-run=server")).await?;
            taken(&told, count).map_err(|why| format!("{values}: {why}"))?;
        }
        Ok(())
    })
}

fn rehearsed(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let (tools, server) = (tools().await?, ApiServer::start(world.assets()).await?);
        let told = shell(&server, &tools, "SCENARIOS='FO-01 ST-10 AU-03' ci/kind/run.sh --rehearse").await?;
        let said = String::from_utf8_lossy(&told.stdout);
        let failed = || format!("{}\n{said}{}", told.status, String::from_utf8_lossy(&told.stderr));
        // of tutorials 000 to 004: one answer each, two more about the kill switch, one more about the pool
        let answers = said.lines().filter(|line| line.starts_with("POST ")).count();
        let passed = said.lines().filter(|line| line.starts_with("pass ")).count();
        if !told.status.success() || (answers, passed) != (8, 3) || !said.ends_with("=== done\n") {
            return Err(failed().into());
        }
        Ok(())
    })
}

/// Where Helm is.
async fn tools() -> Result<PathBuf, Failure> {
    let output = Command::new(root().join("ci/tools/build.sh")).kill_on_drop(true).output().await?;
    match output.status.success() {
        true => Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim())),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

/// Runs a line of a shell as somebody who may do everything on a server.
async fn shell(server: &ApiServer, tools: &Path, line: &str) -> Result<Output, Failure> {
    let kubectl = server.assets().kubectl();
    let beside = kubectl.parent().ok_or("kubectl is in a folder")?.to_path_buf();
    let old = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([tools.to_path_buf(), beside].into_iter().chain(std::env::split_paths(&old)))?;
    let mut bash = Command::new("bash");
    bash.args(["-o", "pipefail", "-c", line]).current_dir(root()).env("PATH", path);
    bash.env("KUBECONFIG", server.kubeconfig()?).env("GATEWAY_API", server.assets().gateway_api());
    bash.env("WINDTUNNEL", env!("CARGO_BIN_EXE_windtunnel")).env("HELM_CACHE_HOME", std::env::temp_dir());
    Ok(bash.kill_on_drop(true).output().await?)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether `kubectl apply` took so many objects.
fn taken(output: &Output, count: usize) -> Result<(), Failure> {
    let said = String::from_utf8_lossy(&output.stdout);
    let applied = said.lines().filter(|line| line.contains(" serverside-applied")).count();
    match output.status.success() && applied == count {
        true => Ok(()),
        false => {
            Err(format!("{applied} objects, not {count}\n{said}{}", String::from_utf8_lossy(&output.stderr)).into())
        }
    }
}
