//! Follows objects on the API server: one watcher a kind, and one for each Secret or ConfigMap that is named. Lists
//! again and backs off as the library does; a kind that the server does not know is looked for again. What objects mean,
//! and which names are wanted, others say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event, watcher};
use kube::{Client, Error as ClientError};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{AbortHandle, JoinSet};

use super::client::with_sources;
use super::objects::id_of;
use crate::config::Key;
use crate::config::kind::Kind;

/// The kinds that are followed as a whole. Secrets and ConfigMaps are followed by name: others than those that are
/// referred to are none of the gateway's business.
pub const WHOLE: [Kind; 12] = [
    Kind::GatewayClass,
    Kind::Gateway,
    Kind::HTTPRoute,
    Kind::AIRoute,
    Kind::ReferenceGrant,
    Kind::Namespace,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::AgentgatewayBackend,
    Kind::AgentgatewayPolicy,
    Kind::AgentgatewayParameters,
    Kind::AgentgatewayModel,
];

/// How soon a kind that the server does not know is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What one watcher follows: a kind, or one object of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watched {
    /// The kind.
    pub kind: Kind,
    /// `namespace/name` where only one object is followed.
    pub only: Option<Arc<str>>,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.only {
            Some(id) => write!(f, "{} {id}", self.kind.name()),
            None => f.write_str(self.kind.name()),
        }
    }
}

/// News of a watcher.
#[derive(Debug)]
pub struct Change {
    /// Whose.
    pub watched: Watched,
    /// What.
    pub news: News,
}

impl Change {
    /// The object that it is about, where it is about one: its kind and `namespace/name`.
    #[must_use]
    pub fn object(&self) -> Option<String> {
        let kind = self.watched.kind;
        match &self.news {
            _ if self.watched.only.is_some() => Some(self.watched.to_string()),
            News::Applied(object) | News::Deleted(object) => Some(format!("{} {}", kind.name(), id_of(kind, object))),
            News::Listed(_) | News::Unknown | News::Failed(_) => None,
        }
    }
}

/// What a watcher has to tell.
pub enum News {
    /// All objects there are; those told of before and not among them are gone.
    Listed(Vec<DynamicObject>),
    /// An object is new, or is different now.
    Applied(Box<DynamicObject>),
    /// An object is gone.
    Deleted(Box<DynamicObject>),
    /// The server does not know the kind.
    Unknown,
    /// It cannot be followed for now, and why; it is tried again.
    Failed(String),
}

/// Objects may hold secrets: only names are shown.
impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |object: &DynamicObject| object.metadata.name.clone().unwrap_or_default();
        match self {
            Self::Listed(objects) => f.debug_list().entries(objects.iter().map(name)).finish(),
            Self::Applied(object) => write!(f, "Applied({})", name(object)),
            Self::Deleted(object) => write!(f, "Deleted({})", name(object)),
            Self::Unknown => f.write_str("Unknown"),
            Self::Failed(why) => write!(f, "Failed({why})"),
        }
    }
}

/// Running watchers; they end when this is dropped.
pub struct Watches {
    client: Client,
    changes: UnboundedSender<Change>,
    tasks: JoinSet<()>,
    named: BTreeMap<Watched, AbortHandle>,
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").field("named", &self.named.keys()).finish_non_exhaustive()
    }
}

impl Watches {
    /// Begins to follow kinds as a whole, by tasks of the current runtime.
    #[must_use]
    pub fn start(client: Client, kinds: &[Kind]) -> (Self, UnboundedReceiver<Change>) {
        let (changes, receiver) = mpsc::unbounded_channel();
        let mut watches = Self { client, changes, tasks: JoinSet::new(), named: BTreeMap::new() };
        for &kind in kinds {
            watches.follow(Watched { kind, only: None });
        }
        (watches, receiver)
    }

    /// Follows exactly these single objects from now on; those that were followed before go on undisturbed.
    pub fn want(&mut self, wanted: &BTreeSet<Key>) {
        self.named.retain(|watched, task| {
            let still = watched.only.as_ref().is_some_and(|id| wanted.contains(&(watched.kind, id.clone())));
            if !still {
                task.abort();
            }
            still
        });
        for (kind, id) in wanted {
            let watched = Watched { kind: *kind, only: Some(id.clone()) };
            if !self.named.contains_key(&watched) {
                let task = self.follow(watched.clone());
                self.named.insert(watched, task);
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    fn follow(&mut self, watched: Watched) -> AbortHandle {
        self.tasks.spawn(follow(self.client.clone(), watched, self.changes.clone()))
    }
}

/// Follows one kind or object for good, in the first version that the server knows.
async fn follow(client: Client, watched: Watched, changes: UnboundedSender<Change>) {
    let tell = |news| changes.send(Change { watched: watched.clone(), news }).is_ok();
    loop {
        for version in watched.kind.versions() {
            let (api, config) = target(&client, &watched, version);
            if !follow_version(api, config, &tell).await {
                return;
            }
        }
        if !tell(News::Unknown) {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Where the objects are, and which of them.
fn target(client: &Client, watched: &Watched, version: &str) -> (Api<DynamicObject>, Config) {
    let kind = watched.kind;
    let gvk = GroupVersionKind::gvk(kind.group(), version, kind.name());
    let resource = ApiResource::from_gvk_with_plural(&gvk, &kind.plural());
    match watched.only.as_deref().and_then(|id| id.split_once('/')) {
        Some((namespace, name)) => {
            let config = Config::default().fields(&format!("metadata.name={name}"));
            (Api::namespaced_with(client.clone(), namespace, &resource), config)
        }
        None => (Api::all_with(client.clone(), &resource), Config::default()),
    }
}

/// Returns when the server does not know the version (true), or when nobody listens any more (false).
async fn follow_version(api: Api<DynamicObject>, config: Config, tell: &impl Fn(News) -> bool) -> bool {
    let mut events = pin!(watcher(api, config).backoff(Pauses::default()));
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        let news = match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed.push(object);
                continue;
            }
            Ok(Event::InitDone) => News::Listed(std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => News::Applied(Box::new(object)),
            Ok(Event::Delete(object)) => News::Deleted(Box::new(object)),
            Err(error) => match trouble(&error) {
                Trouble::Unknown => return true,
                Trouble::Outdated => continue,
                Trouble::Failed(why) => News::Failed(why),
            },
        };
        if !tell(news) {
            return false;
        }
    }
    true
}

/// What is wrong with a watcher.
enum Trouble {
    Unknown,
    /// What was seen last is too old to go on from: the library lists again.
    Outdated,
    Failed(String),
}

fn trouble(error: &watcher::Error) -> Trouble {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    let of_status = |code: u16, message: &str| match code {
        404 => Trouble::Unknown,
        410 => Trouble::Outdated,
        _ => Trouble::Failed(format!("the API server refuses ({code}): {message}")),
    };
    match error {
        InitialListFailed(ClientError::Api(status)) | WatchStartFailed(ClientError::Api(status)) => {
            of_status(status.code, &status.message)
        }
        WatchError(status) => of_status(status.code, &status.message),
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            Trouble::Failed(format!("the API server cannot be reached: {}", with_sources(error)))
        }
        NoResourceVersion => Trouble::Failed(error.to_string()),
    }
}

/// The library's pauses with their jitter, folded under a limit.
#[derive(Default)]
struct Pauses(DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let half = LONGEST_PAUSE / 2;
        let folded = |pause: Duration| half + Duration::from_secs_f64(pause.as_secs_f64() % half.as_secs_f64());
        self.0.next().map(|pause| if pause > LONGEST_PAUSE { folded(pause) } else { pause })
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_under_the_limit() {
        let pauses: Vec<_> = Pauses::default().take(20).collect();
        assert!(pauses[0] < Duration::from_secs(2), "{pauses:?}");
        assert!(pauses[8..].iter().all(|pause| *pause >= LONGEST_PAUSE / 2 && *pause <= LONGEST_PAUSE), "{pauses:?}");
    }

    #[test]
    fn every_kind_is_followed_as_a_whole_or_by_name() {
        let by_name = [Kind::Secret, Kind::ConfigMap];
        for kind in crate::config::kind::KINDS {
            assert!(WHOLE.contains(&kind) != by_name.contains(&kind), "{}", kind.name());
        }
    }
}
