//! What change steps do to a world: scripts, manifests, secrets, signals, restarts; and what the target says to it.

use std::time::Duration;

use mock_providers::script::Provider;
use serde_json::Value;

use super::placed::Placing;
use super::{FILE, FOLDER, SILENT, World, WorldError, build, provider, write};
use crate::manifest;
use crate::saboteur::Saboteur;
use crate::scenario::{Change, Signal};
use crate::seam;
use crate::target::{Instance, Pattern};

/// The longest wait for a target to say that it has taken a change.
const TAKEN: Duration = Duration::from_secs(5);
/// How long half of a file stays half.
const HALF: Duration = Duration::from_millis(200);

/// What became of a changed configuration.
#[derive(Debug)]
pub enum Reload {
    /// It is in use.
    Taken,
    /// It was refused, saying this.
    Refused(String),
    /// Nothing was said, although the target should.
    Silent,
    /// The target says nothing of reloads; its declared time has passed.
    Unknown,
}

impl World {
    /// Does what a change step says; what became of a changed configuration.
    pub async fn change(&mut self, change: &Change) -> Result<Option<Reload>, WorldError> {
        for (name, script) in &change.script {
            let script = provider(name, &self.vars.value(&script.value))?;
            self.mock(name)?.set_script(script);
        }
        for name in &change.heal {
            self.mock(&name.value)?.set_script(Provider::default());
        }
        for name in &change.stop {
            self.mock(&name.value)?.stop_listening().await;
        }
        for name in change.start.iter().chain(&change.heal) {
            let resumed = self.mock(&name.value)?.resume_listening().await;
            resumed.map_err(WorldError::io(format!("provider {} cannot listen again", name.value)))?;
        }
        if let (Some(event), Some(placed)) = (&change.cluster, &self.placed) {
            placed.cluster().undergo(&event.value, &self.target).await?;
        }
        let reload = self.configure(change).await?;
        let signal = change.signal.as_ref().and_then(|signal| seam::configuration::signal(self.saboteur, signal.value));
        if let Some(signal) = signal
            && !self.gateway.signal(signal.of_the_system())
        {
            return Err(WorldError::Scenario("there is no process to signal".to_owned()));
        }
        if change.restart {
            self.restart().await?;
        }
        Ok(reload)
    }

    /// Ends the target and starts it anew with the present manifests.
    async fn restart(&mut self) -> Result<(), WorldError> {
        self.gateway.kill().await;
        self.past.extend(self.gateway.output.all());
        self.gateway = Instance::start(&self.target, &self.launch, self.origin).await?;
        if let Some(context) = &self.context {
            context.restarted();
        }
        self.client_seams = build::client_seams(&self.gateway, self.context.as_ref()).await?;
        if let Some(address) = self.gateway.listeners.values().next() {
            self.vars.set("gateway.address", address.to_string());
        }
        self.before = self.metrics().await;
        Ok(())
    }

    /// Writes a changed configuration and waits until it is taken or refused.
    async fn configure(&mut self, change: &Change) -> Result<Option<Reload>, WorldError> {
        let untouched = change.apply.is_empty() && change.delete.is_empty() && change.rotate.is_empty();
        if untouched && change.text.is_none() {
            return Ok(None);
        }
        let before = self.manifests.clone();
        self.edit(change)?;
        let text = match &change.text {
            Some(_) if self.saboteur == Some(Saboteur::ReloadLost) => None,
            Some(text) => Some(self.vars.text(text)),
            None => seam::configuration::reaching(self.saboteur, &before, &self.manifests),
        };
        let mut printed = self.gateway.output.len();
        let mut changed = None;
        if let (Some(text), Some(placed)) = (&text, &mut self.placed) {
            if change.half.is_some() {
                return Err(WorldError::Scenario("a cluster holds whole objects, never half of one".to_owned()));
            }
            match placed.hold(text).await? {
                Placing::Changed(objects) => changed = Some(objects),
                Placing::Refused(why) => return self.spoil_reload(Some(Reload::Refused(why))).await,
            }
        } else if let Some(text) = text {
            if let Some(half) = change.half {
                self.half(&text, half.bytes).await?;
                // What was said about the half is no answer to the whole.
                printed = self.gateway.output.len();
            }
            self.write(&text)?;
        }
        let reload = match changed {
            _ if change.quiet => None,
            Some(objects) => Some(self.all_taken(printed, &objects).await),
            None => Some(self.reloaded(printed).await),
        };
        self.spoil_reload(reload).await
    }

    /// What saboteurs do after a change.
    async fn spoil_reload(&mut self, reload: Option<Reload>) -> Result<Option<Reload>, WorldError> {
        if self.saboteur == Some(Saboteur::ReloadCutsStreams) {
            self.client_seams = build::client_seams(&self.gateway, self.context.as_ref()).await?;
        }
        if let (Some(Reload::Refused(_)), Some(context)) = (&reload, &self.context) {
            context.refused();
        }
        let accepted =
            matches!(reload, Some(Reload::Refused(_))) && self.saboteur == Some(Saboteur::InvalidFileAccepted);
        Ok(if accepted { Some(Reload::Taken) } else { reload })
    }

    /// Changes the manifests.
    fn edit(&mut self, change: &Change) -> Result<(), WorldError> {
        for entry in &change.apply {
            let documents = manifest::documents(&entry.value, &self.root).map_err(WorldError::Scenario)?;
            for document in documents {
                self.manifests.apply(self.vars.value(&document));
            }
        }
        for object in &change.delete {
            if !self.manifests.delete(&object.value) {
                let message = format!("there is no {} {} to delete", object.value.kind, object.value.name);
                return Err(WorldError::Scenario(message));
            }
        }
        for (name, values) in &change.rotate {
            let values = values.iter().map(|(key, value)| (key.clone(), Value::from(self.vars.text(value)))).collect();
            if !self.manifests.rotate(name, values) {
                return Err(WorldError::Scenario(format!("there is no Secret {name} to rotate")));
            }
        }
        self.keys.extend(self.manifests.secrets());
        self.keys.iter().for_each(|key| self.hidden.key(key));
        Ok(())
    }

    /// Replaces the configuration in one step, so that no half of it is ever read.
    fn write(&self, text: &str) -> Result<(), WorldError> {
        match &self.target.file.attach {
            None => write(self.folder.path(), text),
            Some(attach) => match &attach.value.config {
                Some(file) => std::fs::write(file, text).map_err(WorldError::io("the manifests cannot be written")),
                None => Ok(()),
            },
        }
    }

    /// Writes a part of the configuration in place, and leaves it so for a moment or until it is refused.
    async fn half(&self, text: &str, bytes: usize) -> Result<(), WorldError> {
        let mut end = bytes.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let printed = self.gateway.output.len();
        let file = self.folder.path().join(FOLDER).join(FILE);
        std::fs::write(file, &text[..end]).map_err(WorldError::io("the manifests cannot be written"))?;
        let refused =
            |line: &str| self.target.file.says.refused.as_ref().is_some_and(|refused| refused.0.is_match(line));
        let _ = tokio::time::timeout(HALF, self.gateway.output.find(printed, refused)).await;
        Ok(())
    }

    /// Waits until the target says it has taken or refused the last change.
    async fn reloaded(&self, from: usize) -> Reload {
        let says = &self.target.file.says;
        let Some(taken) = &says.taken else {
            tokio::time::sleep(self.target.file.reload.unwrap_or(SILENT)).await;
            return Reload::Unknown;
        };
        let refused = |line: &str| says.refused.as_ref().is_some_and(|refused| refused.0.is_match(line));
        let said = |line: &str| taken.0.is_match(line) || refused(line);
        match tokio::time::timeout(TAKEN, self.gateway.output.find(from, said)).await {
            Ok(Some((line, text))) if refused(&text) => Reload::Refused(self.gateway.output.text(line)),
            Ok(Some(_)) => Reload::Taken,
            Ok(None) | Err(_) => Reload::Silent,
        }
    }
}

impl World {
    /// Waits until the target says of each of these objects that it has taken or refused the last change.
    async fn all_taken(&self, from: usize, objects: &[String]) -> Reload {
        let says = &self.target.file.says;
        let names_them = |taken: &&Pattern| taken.0.capture_names().flatten().any(|name| name == "objects");
        let Some(Pattern(taken)) = says.taken.as_ref().filter(names_them) else {
            return self.reloaded(from).await;
        };
        let refused = |line: &str| says.refused.as_ref().is_some_and(|refused| refused.0.is_match(line));
        let said = |line: &str, object: &str| {
            let all = taken.captures(line).and_then(|found| found.name("objects"));
            refused(line) || all.is_some_and(|all| all.as_str().split(", ").any(|named| named == object))
        };
        let each = async {
            for object in objects {
                let (line, text) = self.gateway.output.find(from, |line| said(line, object)).await?;
                if refused(&text) {
                    return Some(Reload::Refused(self.gateway.output.text(line)));
                }
            }
            Some(Reload::Taken)
        };
        let ended = tokio::time::timeout(TAKEN, each).await;
        ended.ok().flatten().unwrap_or(Reload::Silent)
    }
}

impl Signal {
    fn of_the_system(self) -> rustix::process::Signal {
        match self {
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Int => rustix::process::Signal::INT,
            Signal::Hup => rustix::process::Signal::HUP,
            Signal::Kill => rustix::process::Signal::KILL,
        }
    }
}
