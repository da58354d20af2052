//! The target of a run: a gateway described by a target file, the reference gateway included.
//! Owns what it claims and declares; a running one is an [`Instance`]. Reached only through sockets, files, signals
//! and its output, so that any gateway can stand here.

mod cluster;
mod command;
mod container;
mod file;
mod instance;
mod lines;
mod status;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::yaml::{self, Problem, Source, did_you_mean};
use serde_json::Value;

pub use cluster::{Class, Cluster, Kubernetes, NoCluster};
pub use command::{Checked, check};
pub use container::NoImage;
pub use file::{ExpectedFailure, Pattern, Quirk, Supports, TargetFile, Telemetry};
pub use instance::{Instance, Launch, LaunchError, Place, Started, resident};
pub use lines::Lines;
pub use status::{ObjectName, StatusSource, read as read_status};

use crate::capability::{CAPABILITIES, OPTIONS};
use crate::load::{Problems, at, place};
use crate::scenario::At;

/// A gateway that can be tested.
#[derive(Debug, Clone)]
pub struct Target {
    /// What its file says.
    pub file: TargetFile,
    /// Its version, when it is known.
    pub version: Option<String>,
    /// What `--target` was told, unless it is the reference gateway.
    pub argument: Option<String>,
    /// This binary, or the image's: `${windtunnel}` in commands.
    pub exe: PathBuf,
    /// Where its manifests are objects.
    pub cluster: Option<Arc<Cluster>>,
}

/// The reference gateway's target file.
const REFERENCE: &str = include_str!("target/reference.yaml");
/// The same on Kubernetes.
const KUBERNETES: &str = include_str!("target/kubernetes.yaml");

impl Target {
    /// The reference gateway of this binary.
    pub fn reference(exe: &Path) -> Result<Target, Problems> {
        Target::read(Source::new("reference.yaml", REFERENCE), exe)
    }

    /// The reference gateway of this binary on Kubernetes.
    pub fn kubernetes(exe: &Path) -> Result<Target, Problems> {
        let target = Target::read(Source::new("kubernetes.yaml", KUBERNETES), exe)?;
        Ok(Target { argument: Some("kubernetes".to_owned()), ..target })
    }

    /// The reference gateway in containers of the image.
    pub fn docker(exe: &Path) -> Result<Target, Problems> {
        let mut target = Target::read(Source::new("reference.yaml", REFERENCE), exe)?;
        target.file.name.push_str("-docker");
        if let Some(start) = &mut target.file.start {
            start.value.image = Some(container::image());
        }
        Ok(Target { argument: Some("docker".to_owned()), exe: container::PROGRAM.into(), ..target })
    }

    /// From a target file.
    pub fn load(path: &Path, exe: &Path) -> Result<Target, Problems> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problems(vec![Problem::of_file(path, format!("the target file cannot be read: {error}"))])
        })?;
        let target = Target::read(Source::new(path, text), exe)?;
        Ok(Target { argument: Some(path.display().to_string()), ..target })
    }

    fn read(source: Source, exe: &Path) -> Result<Target, Problems> {
        let documents = yaml::documents(&source);
        let [document] = documents.as_slice() else {
            return Err(Problems(vec![Problem::of_file(&source.path, "a target file holds one document")]));
        };
        let file: TargetFile = yaml::read(&source, document).map_err(|problem| Problems(vec![problem]))?;
        let problems = problems(&source, &file);
        if problems.is_empty() {
            Ok(Target { file, version: None, argument: None, exe: exe.to_owned(), cluster: None })
        } else {
            Err(Problems(problems))
        }
    }

    /// Whether it claims a capability.
    pub fn claims(&self, capability: &str) -> bool {
        match &self.file.supports {
            Supports::All => !self.file.except.iter().any(|name| name.value == capability),
            Supports::Some(names) => names.iter().any(|name| name.value == capability),
        }
    }

    /// Every capability that it claims.
    pub fn supported(&self) -> Vec<&'static str> {
        CAPABILITIES.iter().map(|capability| capability.name).filter(|name| self.claims(name)).collect()
    }

    /// The first of these capabilities that it does not claim.
    pub fn lacks<'n>(&self, needs: &'n [At<String>]) -> Option<&'n str> {
        needs.iter().map(|need| need.value.as_str()).find(|need| !self.claims(need))
    }

    /// All options with the values it allows itself.
    pub fn options(&self) -> BTreeMap<String, Value> {
        let usual = OPTIONS.iter().map(|option| {
            (option.name.to_owned(), serde_json::from_str(option.usual).expect("the table of options holds JSON"))
        });
        let declared = self.file.options.iter().map(|(name, values)| (name.clone(), Value::from(values.value.clone())));
        usual.chain(declared).collect()
    }

    /// Whether it can be asked for the status of objects.
    pub fn tells_status(&self) -> bool {
        self.file.status.is_some() || self.file.kubernetes.is_some()
    }

    /// Whether several scenarios may run at once: each has a process of its own.
    pub fn concurrent(&self) -> bool {
        self.file.start.is_some()
    }

    /// The known failure of a scenario.
    pub fn expected_failure(&self, id: &str) -> Option<&ExpectedFailure> {
        self.file.expected_failures.iter().map(|failure| &failure.value).find(|failure| failure.id == id)
    }

    /// Reaches its cluster, where its manifests are objects on one.
    pub async fn reached(mut self) -> Result<Target, NoCluster> {
        if self.file.kubernetes.is_some() {
            self.cluster = Some(Arc::new(Cluster::reach(&self).await?));
        }
        Ok(self)
    }

    /// Makes sure of the image of its containers, where it has any.
    pub fn with_image(self) -> Result<Target, NoImage> {
        self.image().map_or(Ok(()), container::find)?;
        Ok(self)
    }

    /// The image of its containers.
    fn image(&self) -> Option<&str> {
        self.file.start.as_ref()?.value.image.as_deref()
    }

    /// Asks for its version, once for a run.
    pub async fn identified(mut self) -> Arc<Target> {
        self.version = match &self.file.version {
            None => None,
            Some(file::Version::Text(text)) => Some(text.clone()),
            Some(file::Version::Command { command }) => command::version(&self, command).await,
        };
        Arc::new(self)
    }
}

/// What is wrong with a target file beyond its shape.
fn problems(source: &Source, file: &TargetFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let names: &[At<String>] = match &file.supports {
        Supports::All => &[],
        Supports::Some(names) => names,
    };
    let known: Vec<&str> = CAPABILITIES.iter().map(|capability| capability.name).collect();
    for name in names.iter().chain(&file.except).filter(|name| !known.contains(&name.value.as_str())) {
        problems.push(unknown(source, name, "capability", &name.value, &known));
    }
    let options: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
    for (name, values) in file.options.iter().filter(|(name, _)| !options.contains(&name.as_str())) {
        problems.push(unknown(source, values, "option", name, &options));
    }
    for failure in &file.expected_failures {
        if crate::date::Date::parse(&failure.value.until).is_none() {
            let message = format!("`until: {}` is not a day; write it as 2027-01-31", failure.value.until);
            problems.push(at(source, failure, message));
        }
        if !failure.value.issue.contains("://") && !failure.value.issue.contains('#') {
            let message = "an expected failure names the issue that tracks it: a link, or owner/repository#number";
            problems.push(at(source, failure, message));
        }
    }
    if file.telemetry.names.tokens.is_empty() {
        problems.push(Problem::of_file(&source.path, "`telemetry.names.tokens` names at least one counter"));
    }
    if let Some(status) = &file.status
        && status.value.http.is_some() != status.value.command.is_empty()
    {
        problems.push(at(source, status, "`status` is exactly one of `http` and `command`"));
    }
    problems.extend(references(source));
    match (&file.start, &file.attach) {
        (Some(start), None) if start.value.command.is_empty() => {
            problems.push(at(source, start, "`command` names a program and its arguments"));
        }
        (Some(start), Some(_)) => problems.push(at(source, start, "a target has `start` or `attach`, not both")),
        (None, None) => {
            let problem = Problem::of_file(&source.path, "nothing says how the target is reached");
            problems.push(problem.with_hint("add `start: {command: […]}` or `attach: {listeners: {0: ADDR:PORT}}`"));
        }
        _ => {}
    }
    problems
}

/// What a command may name.
const REFERENCES: &[&str] = &[
    "windtunnel",
    "folder",
    "config",
    "ca",
    "listeners",
    "listener",
    "providers",
    "provider",
    "connect_to",
    "metrics",
    "ready",
    "admin",
    "gateway",
    "kubeconfig",
    "object.kind",
    "object.group",
    "object.namespace",
    "object.name",
];

/// Every `${…}` must name something that a run will have, or a variable that is set.
fn references(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, text) in source.text.lines().enumerate().filter(|(_, text)| !text.trim_start().starts_with('#')) {
        for (at, name) in crate::vars::references(text) {
            let known = match name.split_once('.') {
                Some(("env", variable)) => std::env::var_os(variable).is_some(),
                Some(("listener" | "provider", _)) => true,
                _ => REFERENCES.contains(&name),
            };
            if known {
                continue;
            }
            let column = text[..at].chars().count() + 1;
            let problem = place(source, line + 1, column, name.len() + 3, format!("`${{{name}}}` names nothing"));
            let hint = match (name.strip_prefix("env."), did_you_mean(name, REFERENCES.iter().copied())) {
                (Some(variable), _) => format!("the variable {variable} is not set"),
                (None, Some(close)) => format!("did you mean `{close}`?"),
                (None, None) => format!("there are {}", REFERENCES.join(", ")),
            };
            problems.push(problem.with_hint(hint));
        }
    }
    problems
}

fn unknown<T>(source: &Source, place: &At<T>, what: &str, name: &str, known: &[&str]) -> Problem {
    let problem = at(source, place, format!("no {what} is called `{name}`"));
    match did_you_mean(name, known.iter().copied()) {
        Some(close) => problem.with_hint(format!("did you mean `{close}`?")),
        None => problem.with_hint(format!("there are {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Target, Problems> {
        Target::read(Source::new("t.yaml", text), Path::new("windtunnel"))
    }

    #[test]
    fn the_reference_gateway_is_a_target_like_any_other() {
        let target = Target::reference(Path::new("windtunnel")).expect("its own file is right");
        let lacking = CAPABILITIES.iter().filter(|capability| !target.claims(capability.name));
        assert_eq!(lacking.map(|capability| capability.name).collect::<Vec<_>>(), ["config.kubernetes"]);
        assert!(target.concurrent());
        assert_eq!(target.options()["timeout_status"], serde_json::json!([504]));
    }

    #[test]
    fn what_is_excepted_is_not_claimed() {
        let text = "name: x\nsupports: all\nexcept: [retry]\nstart: {command: [x]}\n";
        let target = read(text).expect("the file is right");
        assert!(target.claims("chat") && target.claims("retry.backoff") && !target.claims("retry"));
        assert_eq!(target.supported().len(), CAPABILITIES.len() - 1);
    }

    #[test]
    fn misspelt_names_are_refused_with_what_was_meant() {
        let error = read("name: x\nsupports: [chatt]\nstart: {command: [x]}\n").expect_err("no such capability");
        assert!(error.to_string().contains("did you mean `chat`?"), "{error}");
        let error = read("name: x\nsupports: all\nattach: {listenrs: {}}\n").expect_err("no such key");
        assert!(error.to_string().contains("t.yaml:3:"), "{error}");
        let error = read("name: x\nsupports: all\n").expect_err("no way to it");
        assert!(error.to_string().contains("add `start"), "{error}");
    }

    #[test]
    fn a_reference_to_nothing_is_refused() {
        let error = read("name: x\nsupports: all\nstart: {command: [x, '${listner}']}\n").expect_err("nothing");
        assert!(error.to_string().contains("t.yaml:3:"), "{error}");
        assert!(error.to_string().contains("did you mean `listener`?"), "{error}");
    }

    #[test]
    fn an_expected_failure_needs_a_day_and_an_issue() {
        let text = "name: x\nsupports: all\nstart: {command: [x]}\nexpected_failures: [{id: FO-01, issue: none, until: soon}]\n";
        let error = read(text).expect_err("neither").to_string();
        assert!(error.contains("is not a day") && error.contains("names the issue"), "{error}");
    }
}
