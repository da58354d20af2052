//! A cluster as a source of configuration: watchers on a thread of their own, their news gathered, and compiled once
//! everything that is referred to is known. What changes nothing wakes nobody; what cannot be followed is told, and the
//! last good state stays.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::client::{self, ConnectError};
use super::objects::Objects;
use super::relevance::Relevance;
use super::watch::{Change, News, WHOLE, Watched, Watches};
use crate::config::kind::Kind;
use crate::config::{self, Compiled, Key};
use crate::control::troubles;
use crate::server::Notices;
use crate::snapshot::Snapshot;

/// Changes closer than this belong together.
const QUIET: Duration = Duration::from_millis(3);
/// Changes that never pause are compiled in between.
const LONGEST_BURST: Duration = Duration::from_millis(50);
/// How long a Secret that is newly referred to may take to become known before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon addresses that could not be had are tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How often a start says what it waits for.
const WORD: Duration = Duration::from_secs(5);
/// Most changed objects that are told by name.
const TOLD: usize = 100;
/// A trouble that comes again after so long is told again: troubles come every few seconds while they last.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Which part of a cluster is served.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `namespace/name` of the only Gateway; all of our class when there is none.
    pub gateway: Option<Arc<str>>,
}

/// What is known of a watcher's objects; nothing at all when it has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Listed,
    Failed,
}

/// A followed cluster.
pub(crate) struct Cluster {
    changes: UnboundedReceiver<Change>,
    names: UnboundedSender<BTreeSet<Key>>,
    _watcher: JoinHandle<()>,
    objects: Objects,
    relevance: Relevance,
    answers: HashMap<Watched, Answer>,
    /// Followed by name.
    named: BTreeSet<Key>,
    /// Something changed that is not compiled yet.
    due: bool,
    /// What changed, by name, where it has one.
    news: BTreeSet<String>,
    /// Until when names without an answer are waited for.
    patience: Instant,
    try_again: Option<Instant>,
    voice: Voice,
}

impl Cluster {
    /// Lists everything and compiles it; returns when nothing is unknown that matters.
    ///
    /// # Errors
    /// When the environment names no cluster.
    pub(crate) async fn open(scope: &Scope, notices: &Notices) -> Result<(Self, Compiled), ConnectError> {
        let mut cluster = Self::start(scope, notices).await?;
        let mut word = Instant::now() + WORD;
        loop {
            while cluster.missing().next().is_some() {
                cluster.wait_at_start(&mut word).await;
            }
            let compiled = config::compile(cluster.objects.manifests(), None);
            cluster.follow(&compiled);
            if cluster.missing().next().is_none() {
                cluster.due = false;
                cluster.news.clear();
                cluster.tell(&compiled);
                return Ok((cluster, compiled));
            }
        }
    }

    async fn start(scope: &Scope, notices: &Notices) -> Result<Self, ConnectError> {
        let (started, ready) = tokio::sync::oneshot::channel();
        let (names, mut wanted) = unbounded_channel();
        let watcher = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a thread can have a runtime");
            runtime.block_on(async {
                let connected = client::connect().await.map(|client| Watches::start(client, &WHOLE));
                let mut watches = match connected {
                    Ok((watches, changes)) => started.send(Ok(changes)).map(|()| watches).ok(),
                    Err(error) => started.send(Err(error)).ok().and(None),
                };
                while let (Some(watches), Some(names)) = (watches.as_mut(), wanted.recv().await) {
                    watches.want(&names);
                }
            });
        });
        let changes = ready.await.expect("the thread says how it went")?;
        Ok(Self {
            changes,
            names,
            _watcher: watcher,
            objects: Objects::of(scope.gateway.clone()),
            relevance: Relevance::default(),
            answers: HashMap::new(),
            named: BTreeSet::new(),
            due: true,
            news: BTreeSet::new(),
            patience: Instant::now(),
            try_again: None,
            voice: Voice { notices: notices.clone(), troubles: HashMap::new(), told: BTreeSet::new() },
        })
    }

    /// Returns when there is something to compile. Nothing is lost when the caller gives up waiting.
    pub(crate) async fn changed(&mut self) {
        loop {
            let now = Instant::now();
            if self.try_again.take_if(|at| *at <= now).is_some() {
                self.due = true;
            }
            let waits = self.unanswered() && now < self.patience;
            if self.due && !waits {
                self.gather().await;
                return;
            }
            let alarm = if waits { Some(self.patience) } else { self.try_again };
            tokio::select! {
                change = self.changes.recv() => match change {
                    Some(change) => self.take(&change),
                    None => std::future::pending().await,
                },
                () = sleep_until(alarm.unwrap_or(now)), if alarm.is_some() => (),
            }
        }
    }

    /// Compiles what is known. Nothing when names turned up that are unknown so far: they are waited for a little.
    pub(crate) fn compile(&mut self, previous: &Snapshot) -> Option<Compiled> {
        let compiled = config::compile(self.objects.manifests(), Some(previous));
        if self.follow(&compiled) {
            self.patience = Instant::now() + PATIENCE;
            return None;
        }
        self.due = false;
        self.tell(&compiled);
        Some(compiled)
    }

    /// The objects that were new in what was compiled last, the first of them by name.
    pub(crate) fn news(&mut self) -> String {
        let news = std::mem::take(&mut self.news);
        let mut told: Vec<String> = news.iter().take(TOLD).cloned().collect();
        if news.len() > TOLD {
            told.push(format!("and {} more", news.len() - TOLD));
        }
        told.join(", ")
    }

    /// What was compiled could not be served for now.
    pub(crate) fn forget(&mut self) {
        self.try_again = Some(Instant::now() + TRY_AGAIN);
    }

    /// Takes what comes in one burst.
    async fn gather(&mut self) {
        let burst = async {
            while let Ok(Some(change)) = timeout(QUIET, self.changes.recv()).await {
                self.take(&change);
            }
        };
        let _time_is_up = timeout(LONGEST_BURST, burst).await;
    }

    fn take(&mut self, change: &Change) {
        let watched = &change.watched;
        let dropped = |id: &Arc<str>| !self.named.contains(&(watched.kind, id.clone()));
        if watched.only.as_ref().is_some_and(dropped) {
            return;
        }
        match &change.news {
            News::Failed(why) => {
                self.answers.entry(watched.clone()).or_insert(Answer::Failed);
                self.voice.trouble(&format!("{why}; what is known of {} stays", watched_by(watched)));
            }
            News::Unknown => {
                self.answers.insert(watched.clone(), Answer::Listed);
                let kind = watched.kind.name();
                self.voice.trouble(&format!("the API server has no {kind} (no CRD of it); all else is served"));
            }
            News::Listed(_) | News::Applied(_) | News::Deleted(_) => {
                self.answers.insert(watched.clone(), Answer::Listed);
                let matters = self.relevance.matters(change, self.objects.manifests());
                if self.objects.take(change) && matters {
                    self.due = true;
                    self.news.extend(change.object());
                }
            }
        }
    }

    /// Follows what references lead to, and lets go of what they do not lead to any more; whether something is new.
    fn follow(&mut self, compiled: &Compiled) -> bool {
        self.relevance = Relevance::of(compiled);
        let by_name = |key: &&Key| matches!(key.0, Kind::Secret | Kind::ConfigMap);
        let named: BTreeSet<Key> = compiled.looked_up.iter().filter(by_name).cloned().collect();
        if named == self.named {
            return false;
        }
        for key in self.named.difference(&named) {
            self.objects.remove(key);
            self.answers.remove(&watched_of(key));
        }
        let more = named.difference(&self.named).next().is_some();
        // a watcher thread that has ended has ended with the process
        let _sent = self.names.send(named.clone());
        self.named = named;
        more
    }

    fn watched(&self) -> impl Iterator<Item = Watched> {
        WHOLE.map(|kind| Watched { kind, only: None }).into_iter().chain(self.named.iter().map(watched_of))
    }

    /// What is not known for sure.
    fn missing(&self) -> impl Iterator<Item = Watched> {
        self.watched().filter(|watched| self.answers.get(watched) != Some(&Answer::Listed))
    }

    fn unanswered(&self) -> bool {
        self.named.iter().any(|key| !self.answers.contains_key(&watched_of(key)))
    }

    /// Takes one change; says what is waited for when it is time for that, however much else is told.
    async fn wait_at_start(&mut self, word: &mut Instant) {
        match timeout_at(*word, self.changes.recv()).await {
            Ok(Some(change)) => self.take(&change),
            Ok(None) => std::future::pending().await,
            Err(_) => {
                let missing: Vec<_> = self.missing().map(|watched| watched.to_string()).collect();
                (self.voice.notices)(&format!("waiting for the API server to list {}", missing.join(", ")));
                *word = Instant::now() + WORD;
            }
        }
    }

    /// Tells what is wrong with objects, unless the same was told for the state before.
    fn tell(&mut self, compiled: &Compiled) {
        let unreadable = self.objects.unreadable().iter().map(|((kind, id), unreadable)| {
            format!("warning: {} {id}: not served, it cannot be read here: {}", kind.name(), unreadable.why)
        });
        // other Gateways have processes of their own, which tell what concerns them
        let ours = |object: &&config::ObjectStatus| {
            self.objects.manifests().only.is_none() || object.every_condition().next().is_some()
        };
        let of_objects = compiled.status.iter().filter(ours).flat_map(troubles);
        let lines: BTreeSet<String> = unreadable.chain(of_objects).collect();
        lines.difference(&self.voice.told).for_each(|line| (self.voice.notices)(line));
        self.voice.told = lines;
    }
}

fn watched_of((kind, id): &Key) -> Watched {
    Watched { kind: *kind, only: Some(id.clone()) }
}

/// A refusal names what it is about; an API server that is away concerns everything.
fn watched_by(watched: &Watched) -> String {
    watched.only.as_ref().map_or_else(|| "the cluster".to_owned(), |_| watched.to_string())
}

/// Says things once.
struct Voice {
    notices: Notices,
    troubles: HashMap<String, Instant>,
    told: BTreeSet<String>,
}

impl Voice {
    fn trouble(&mut self, what: &str) {
        let now = Instant::now();
        self.troubles.retain(|_, last| now < *last + FORGOTTEN);
        if self.troubles.insert(what.to_owned(), now).is_none() {
            (self.notices)(&format!("warning: {what}"));
        }
    }
}
