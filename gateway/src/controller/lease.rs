//! One leader by a Lease: acquired, renewed, lost and given back. A leader that could not renew in time is none any
//! more before another one may be; candidates go by their own clock and the Lease's changes, never by the times
//! written in it. What a leader does is others' business.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

/// The Lease's name.
pub(super) const NAME: &str = "windtunnel-controller";

/// A candidate.
pub(super) struct Election {
    leases: Api<Lease>,
    /// Who it is, in the Lease.
    identity: String,
    /// How long a leader is one without renewing.
    term: Duration,
    leading: watch::Sender<bool>,
    seen: Option<Seen>,
    /// Until when it may lead.
    until: Option<Instant>,
}

/// The Lease as it was seen last.
#[derive(Debug)]
struct Seen {
    lease: Lease,
    /// Since when nothing about it has changed.
    since: Instant,
}

impl Seen {
    /// Whether a candidate may take the Lease at that time.
    fn is_free(&self, identity: &str, now: Instant) -> bool {
        let spec = self.lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let term = Duration::from_secs(seconds.try_into().unwrap_or_default());
        holder.is_empty() || holder == identity || now >= self.since + term
    }
}

impl Election {
    /// A candidate; whoever holds the receiver learns whether it leads.
    pub(super) fn new(
        client: Client,
        namespace: &str,
        identity: String,
        term: Duration,
    ) -> (Self, watch::Receiver<bool>) {
        let (leading, receiver) = watch::channel(false);
        let leases = Api::namespaced(client, namespace);
        (Self { leases, identity, term, leading, seen: None, until: None }, receiver)
    }

    /// Stands for election until told to stop, and gives the Lease back then.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>, notices: impl Fn(&str)) {
        let mut news = pin!(changes(&self.leases));
        loop {
            // a leader's request must not outlive its right to lead
            let patience = self.until.unwrap_or_else(|| Instant::now() + self.term);
            let held = tokio::select! {
                held = timeout_at(patience, self.hold()) => held.unwrap_or_else(|_| Err("no answer in time".to_owned())),
                _ = &mut stop => break,
            };
            if let Err(why) = held {
                notices(&format!("warning: Lease {NAME} cannot be held: {why}; tried again"));
            }
            self.tell(&notices);
            let pause = Instant::now() + self.term / 5;
            let pause = self.until.map_or(pause, |until| until.min(pause));
            let leads = self.until.is_some();
            tokio::select! {
                () = sleep_until(pause) => (),
                Some(()) = news.next(), if !leads => (),
                _ = &mut stop => break,
            }
        }
        self.give_back().await;
    }

    /// Tells whether it leads, where that is news.
    fn tell(&mut self, notices: &impl Fn(&str)) {
        self.until = self.until.filter(|until| Instant::now() < *until);
        let leads = self.until.is_some();
        if self.leading.send_if_modified(|before| std::mem::replace(before, leads) != leads) {
            notices(if leads { "leading" } else { "not leading any more" });
        }
    }

    /// Renews the Lease, or takes it when it is free.
    async fn hold(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let found = self.leases.get_opt(NAME).await.map_err(|error| error.to_string())?;
        let Some(found) = found else {
            let made = self.leases.create(&PostParams::default(), &self.lease(None)).await;
            return self.held(made, begun);
        };
        let same = |seen: &Seen| seen.lease.metadata.resource_version == found.metadata.resource_version;
        if !self.seen.as_ref().is_some_and(same) {
            self.seen = Some(Seen { lease: found.clone(), since: begun });
        }
        if !self.seen.as_ref().is_some_and(|seen| seen.is_free(&self.identity, begun)) {
            self.until = None;
            return Ok(());
        }
        let replaced = self.leases.replace(NAME, &PostParams::default(), &self.lease(Some(&found))).await;
        self.held(replaced, begun)
    }

    /// Leads for two thirds of the term from before the request; somebody who was faster is no failure.
    fn held(&mut self, written: kube::Result<Lease>, begun: Instant) -> Result<(), String> {
        match written {
            Ok(lease) => {
                self.seen = Some(Seen { lease, since: begun });
                self.until = Some(begun + self.term * 2 / 3);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The Lease with us as its holder; `before` is what it replaces.
    fn lease(&self, before: Option<&Lease>) -> Lease {
        let old = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = old.holder_identity.as_deref() == Some(&*self.identity);
        let now = MicroTime(Timestamp::now());
        let transitions = old.lease_transitions.unwrap_or_default();
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(self.term.as_secs().max(1).try_into().unwrap_or(i32::MAX)),
            acquire_time: old.acquire_time.filter(|_| ours).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if ours || before.is_none() { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        };
        let fresh = || ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
        let metadata = before.map_or_else(fresh, |lease| lease.metadata.clone());
        Lease { metadata, spec: Some(spec) }
    }

    /// Lets the next one take over at once. Whoever cannot be told waits out the term.
    async fn give_back(mut self) {
        let leads = self.until.take().is_some();
        self.leading.send_replace(false);
        let Some(mut seen) = self.seen.filter(|_| leads) else { return };
        if let Some(spec) = &mut seen.lease.spec {
            spec.holder_identity = Some(String::new());
        }
        let params = PostParams::default();
        let given = self.leases.replace(NAME, &params, &seen.lease);
        let _told = tokio::time::timeout(self.term, given).await;
    }
}

/// An item whenever the Lease is another one; how it is now, a read tells.
fn changes(leases: &Api<Lease>) -> impl Stream<Item = ()> + use<> {
    watch_object(leases.clone(), NAME)
        .default_backoff()
        .filter_map(|change| std::future::ready(change.ok().map(|_| ())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_free_when_given_back_or_not_renewed_for_its_term_by_our_own_clock() {
        let since = Instant::now();
        let seen = |holder: &str| {
            let spec = LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(15),
                // a clock that is wrong by hours
                renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
                ..LeaseSpec::default()
            };
            Seen { lease: Lease { spec: Some(spec), ..Lease::default() }, since }
        };
        let (soon, late) = (since + Duration::from_secs(14), since + Duration::from_secs(15));
        assert!(!seen("other").is_free("me", soon) && seen("other").is_free("me", late));
        assert!(seen("").is_free("me", soon) && seen("me").is_free("me", soon));
    }
}
