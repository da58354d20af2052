//! Where a record was served, so that what was made of it for one record can be taken for the next.

use std::sync::Arc;

use super::Record;

/// The names of a place. Two are the same when they are the same memory, which is nobody else's while this holds it.
#[derive(Debug, Default)]
pub struct Place {
    names: [Option<Arc<str>>; 7],
    standing: Option<&'static str>,
}

/// Gateway, listener, rule, route and backend, then endpoint and provider of the last attempt.
pub(super) fn names(record: &Record) -> [Option<&Arc<str>>; 7] {
    let Record { gateway, listener, rule, route, backend, attempts, .. } = record;
    let (endpoint, provider) = attempts.last().map(|last| (&last.endpoint, &last.provider)).unzip();
    [gateway.as_ref(), listener.as_ref(), rule.as_ref(), route.as_ref(), backend.as_ref(), endpoint, provider]
}

/// How the last provider stood.
pub(super) fn standing(record: &Record) -> Option<&'static str> {
    record.attempts.last().and_then(|last| last.standing)
}

impl Place {
    /// Of this record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { names: names(record).map(Option::<&Arc<str>>::cloned), standing: standing(record) }
    }

    /// Whether it is this record's too.
    #[must_use]
    pub fn is_of(&self, record: &Record) -> bool {
        let same = |(kept, name): (&Option<Arc<str>>, Option<&Arc<str>>)| match (kept, name) {
            (Some(kept), Some(name)) => Arc::ptr_eq(kept, name),
            (kept, name) => kept.is_none() && name.is_none(),
        };
        self.standing == standing(record) && self.names.iter().zip(names(record)).all(same)
    }
}
