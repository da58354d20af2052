//! The control thread: metrics and readiness, and the reloads. A reload that cannot be taken changes nothing, and is
//! told by a notice, by metrics and by a page.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use crate::admin::Admin;
use crate::config::{self, Compiled, Condition, Files, ObjectStatus};
use crate::loaded::Loaded;
use crate::options::Options;
use crate::ports::Ports;
use crate::prices::Prices;
use crate::server::{Notices, listed};
use crate::source::{Change, Source};
use crate::worker::Shared;
use crate::yaml::Problem;

/// What reloads work on.
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) options: Options,
    pub(crate) source: Source,
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
                        change = self.source.changed() => self.reload(&change),
                        files = self.prices.changed() => self.reprice(&files),
                    }
                }
            };
            tokio::select! { () = reloads => (), _ = stopped => () }
        });
    }

    /// Takes the new manifests over, or keeps the old ones and says why.
    fn reload(&mut self, change: &Change) {
        match change {
            Change::Files(files) => self.reload_files(files),
            Change::Objects => self.recompile(),
        }
    }

    fn recompile(&mut self) {
        let previous = self.shared.snapshot.load();
        if let Source::Cluster(cluster) = &mut self.source
            && let Some(compiled) = cluster.compile(&previous)
        {
            let news = format!(" objects={}", cluster.news());
            self.serve(compiled, &news);
        }
    }

    fn reload_files(&mut self, files: &Files) {
        if let Some(why) = files.half_written() {
            return self.refuse(&why, &why);
        }
        let manifests = match files.load() {
            Ok(manifests) => manifests,
            Err(problems) => return self.refuse(&listed(&problems), &in_brief(&problems)),
        };
        let compiled = config::compile(&manifests, Some(&self.shared.snapshot.load()));
        self.serve(compiled, "");
    }

    /// Swaps the snapshot, unless an address cannot be had; says so with what is new.
    fn serve(&mut self, compiled: Compiled, news: &str) {
        let snapshot = Arc::new(compiled.snapshot);
        let serve = || self.shared.snapshot.store(snapshot.clone());
        if let Err(error) = self.ports.follow(&snapshot, &self.options, serve) {
            // the address may become free without an edit
            self.source.forget();
            let why = error.to_string();
            return self.refuse(&why, &why);
        }
        self.prices.take_own(compiled.catalogs);
        // a cluster changes often, and has told already what is new
        if matches!(self.source, Source::Files(_)) {
            tell_troubles(&compiled.status, &self.ports.notices);
        }
        let generation = self.loaded.take(compiled.status);
        (self.ports.notices)(&format!("reloaded generation={generation}{news}"));
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
    status.iter().flat_map(troubles).for_each(|line| notices(&line));
}

/// What there is to say of an object.
pub(crate) fn troubles(object: &ObjectStatus) -> Vec<String> {
    let (kind, id) = (object.kind.name(), object.id());
    let told = |condition: &&Condition| !condition.good() || condition.reason == "PartiallyValid";
    let notes = object.notes.iter().map(|note| format!("note: {kind} {id}: {note}"));
    let conditions = object.every_condition().filter(told).map(|condition| {
        let value = if condition.status { "True" } else { "False" };
        let (type_, reason, message) = (condition.type_, condition.reason, &condition.message);
        format!("warning: {kind} {id}: {type_}={value} {reason}: {message}")
    });
    notes.chain(conditions).collect()
}
