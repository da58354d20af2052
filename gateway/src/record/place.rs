//! Where a record was served, so that what was made of it for one record can be taken for the next.

use std::sync::Arc;

use super::Record;

/// The names of a place. Two are the same when they are the same memory, which is nobody else's while this holds it.
#[derive(Debug, Default)]
pub struct Place {
    names: [Option<Arc<str>>; 5],
}

/// Gateway, listener, rule, route and backend.
pub(super) fn names(record: &Record) -> [Option<&Arc<str>>; 5] {
    let Record { gateway, listener, rule, route, backend, .. } = record;
    [gateway, listener, rule, route, backend].map(Option::as_ref)
}

impl Place {
    /// Of this record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { names: names(record).map(Option::<&Arc<str>>::cloned) }
    }

    /// Whether it is this record's too.
    #[must_use]
    pub fn is_of(&self, record: &Record) -> bool {
        let same = |(kept, name): (&Option<Arc<str>>, Option<&Arc<str>>)| match (kept, name) {
            (Some(kept), Some(name)) => Arc::ptr_eq(kept, name),
            (kept, name) => kept.is_none() && name.is_none(),
        };
        self.names.iter().zip(names(record)).all(same)
    }
}
