//! The control thread: metrics and readiness, and the reloads. A reload that cannot be taken changes nothing, and is
//! told by a notice, by metrics and by a page.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use crate::admin::Admin;
use crate::config::{self, Condition, Files, ObjectStatus};
use crate::loaded::Loaded;
use crate::options::Options;
use crate::ports::Ports;
use crate::prices::Prices;
use crate::reload::Follower;
use crate::server::{Notices, listed};
use crate::worker::Shared;
use crate::yaml::Problem;

/// What reloads work on.
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) options: Options,
    pub(crate) follower: Follower,
    pub(crate) loaded: Loaded,
    pub(crate) prices: Prices,
}

impl Control {
    /// Runs until the gateway has stopped.
    pub(crate) fn run(mut self, runtime: &Runtime, pages: Vec<(TcpListener, Admin)>, stopped: oneshot::Receiver<()>) {
        LocalSet::new().block_on(runtime, async move {
            for (listener, page) in pages {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    spawn_local(page.serve(listener));
                }
            }
            let reloads = async {
                loop {
                    tokio::select! {
                        files = self.follower.changed() => self.reload(&files),
                        files = self.prices.changed() => self.reprice(&files),
                    }
                }
            };
            tokio::select! { () = reloads => (), _ = stopped => () }
        });
    }

    /// Takes the new manifests over, or keeps the old ones and says why.
    fn reload(&mut self, files: &Files) {
        if let Some(why) = files.half_written() {
            return self.refuse(&why, &why);
        }
        let manifests = match files.load() {
            Ok(manifests) => manifests,
            Err(problems) => return self.refuse(&listed(&problems), &in_brief(&problems)),
        };
        let compiled = config::compile(&manifests, Some(&self.shared.snapshot.load()));
        let snapshot = Arc::new(compiled.snapshot);
        let serve = || self.shared.snapshot.store(snapshot.clone());
        if let Err(error) = self.ports.follow(&snapshot, &self.options, serve) {
            // the address may become free without an edit
            self.follower.forget();
            let why = error.to_string();
            return self.refuse(&why, &why);
        }
        self.prices.take_own(compiled.catalogs);
        tell_troubles(&compiled.status, &self.ports.notices);
        let generation = self.loaded.take(compiled.status);
        (self.ports.notices)(&format!("reloaded generation={generation}"));
    }

    /// Takes the new prices over, or keeps the old ones and says why.
    fn reprice(&mut self, files: &Files) {
        let taken = match files.half_written() {
            Some(why) => Err(why),
            None => self.prices.take_file(files).map_err(|problems| listed(&problems)),
        };
        (self.ports.notices)(&match taken {
            Ok(()) => "model catalog reloaded".to_owned(),
            Err(why) => format!("model catalog refused, the prices stay as they are: {why}"),
        });
    }

    fn refuse(&self, why: &str, in_brief: &str) {
        if self.loaded.refuse(in_brief) {
            (self.ports.notices)(&format!("reload refused: {why}"));
        }
    }
}

/// Without lines of the manifests, as the page may be seen by others than the log.
fn in_brief(problems: &[Problem]) -> String {
    let brief = |problem: &Problem| format!("{}:{}: {}", problem.file, problem.line, problem.message);
    problems.iter().map(brief).collect::<Vec<_>>().join("\n")
}

/// Objects that are served in part or not at all are never silent.
pub(crate) fn tell_troubles(status: &[ObjectStatus], notices: &Notices) {
    for object in status {
        let told = |condition: &&Condition| !condition.good() || condition.reason == "PartiallyValid";
        for note in &object.notes {
            notices(&format!("note: {} {}: {note}", object.kind.name(), object.id()));
        }
        for condition in object.every_condition().filter(told) {
            let (kind, id) = (object.kind.name(), object.id());
            let value = if condition.status { "True" } else { "False" };
            let (type_, reason, message) = (condition.type_, condition.reason, &condition.message);
            notices(&format!("warning: {kind} {id}: {type_}={value} {reason}: {message}"));
        }
    }
}
