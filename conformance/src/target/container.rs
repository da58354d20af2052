//! A target's command in a container of an image: on the host's network, so that mocks and clients stay on loopback, with
//! the scenario's folder where it is here and the rights of who runs. Owns Docker's command line; keeps no container.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getgid, getuid};

/// Where the image of this repository has this program.
pub(super) const PROGRAM: &str = "/windtunnel";
/// By which left containers are found: `docker ps --filter label=windtunnel.run`.
const LABEL: &str = "windtunnel.run";

/// The image of this version, or the one that the environment names.
pub(super) fn image() -> String {
    let named = std::env::var("WINDTUNNEL_IMAGE").ok().filter(|image| !image.is_empty());
    named.unwrap_or_else(|| format!("windtunnel:{}", env!("CARGO_PKG_VERSION")))
}

/// Why no container can be started.
#[derive(Debug, thiserror::Error)]
pub enum NoImage {
    /// There is no command of this name.
    #[error(
        "no container can be started: the command `docker` is not there: {0}\n  = help: install Docker, or test a gateway that runs without it"
    )]
    NoDocker(#[source] std::io::Error),
    /// Neither here nor to be had; with Docker's own words.
    #[error(
        "the image {image} is neither here nor to be had: {said}\n  = help: `ci/images/build.sh` builds this repository's; WINDTUNNEL_IMAGE names another for `--target docker`"
    )]
    Missing {
        /// As it was named.
        image: String,
        /// Docker's words.
        said: String,
    },
}

/// Finds an image, or lets Docker pull it: once for a run, before any scenario would find out.
pub(super) fn find(image: &str) -> Result<(), NoImage> {
    let docker = |words: &[&str]| {
        let run = Command::new("docker").args(words).arg(image).stdin(Stdio::null()).output();
        run.map_err(NoImage::NoDocker)
    };
    if docker(&["image", "inspect"])?.status.success() {
        return Ok(());
    }
    eprintln!("pulling {image}");
    let pulled = docker(&["pull", "--quiet"])?;
    if pulled.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&pulled.stderr).trim().to_owned();
    Err(NoImage::Missing { image: image.to_owned(), said })
}

/// One container; gone when its command has ended.
#[derive(Debug)]
pub(super) struct Container {
    name: String,
}

impl Container {
    /// A name that no other container has.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (own, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // other runs may have the same process id in a namespace of their own, and the same engine
        Self { name: format!("windtunnel-{own}-{:08x}-{number}", crate::world::random() as u32) }
    }

    /// Docker's words around those of a command; its standard streams and exit code are the command's own. Variables of
    /// these names are passed on.
    pub(super) fn around<'n>(
        &self,
        image: &str,
        words: &[String],
        variables: impl Iterator<Item = &'n str>,
    ) -> Vec<String> {
        let (program, arguments) = words.split_first().map(|(first, rest)| (first.as_str(), rest)).unwrap_or_default();
        let fixed = ["docker", "run", "--rm", "--interactive", "--network=host", "--read-only", "--cap-drop=ALL"];
        let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
        all.push(format!("--label={LABEL}={}", std::process::id()));
        all.push(format!("--user={}:{}", getuid().as_raw(), getgid().as_raw()));
        // left out where there is no folder
        all.push("--mount=type=bind,source=${folder},target=${folder}".to_owned());
        all.extend(variables.map(|name| format!("--env={name}")));
        all.extend([format!("--name={}", self.name), format!("--entrypoint={program}"), image.to_owned()]);
        all.extend_from_slice(arguments);
        all
    }

    /// Sends a signal to its command, in the background.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        let number = signal.as_raw().to_string();
        let mut kill = Command::new("docker");
        kill.args(["kill", "--signal", &number, &self.name]).stdin(Stdio::null());
        let Ok(mut kill) = kill.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
        // only so that it is reaped
        std::thread::spawn(move || kill.wait());
        true
    }

    /// The process of its command as this machine counts it; `None` where containers run on another one.
    pub(super) fn pid(&self) -> Option<u32> {
        let mut inspect = Command::new("docker");
        inspect.args(["inspect", "--format", "{{.State.Pid}} {{.Id}}", &self.name]);
        let told = String::from_utf8(inspect.output().ok()?.stdout).ok()?;
        let (pid, id) = told.trim().split_once(' ')?;
        let groups = std::fs::read_to_string(Path::new("/proc").join(pid).join("cgroup")).ok()?;
        groups.contains(id).then(|| pid.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_its_arguments_and_its_program_is_the_entrypoint() {
        let container = Container::new();
        let words = ["${windtunnel}", "gateway", "--check"].map(str::to_owned);
        let all = container.around("image:1", &words, ["WINDTUNNEL_CONFIG"].into_iter());
        assert_eq!(all[..2], ["docker", "run"]);
        assert_eq!(all[all.len() - 4..], ["--entrypoint=${windtunnel}", "image:1", "gateway", "--check"]);
        assert!(all.contains(&"--env=WINDTUNNEL_CONFIG".to_owned()), "{all:?}");
        assert_ne!(container.name, Container::new().name);
    }
}
