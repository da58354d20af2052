//! Whether a record counts in the rows of the one before it. Most do, and then no label needs to be looked at.

use std::sync::Arc;

use super::labels::UNKNOWN;
use crate::error::Reason;
use crate::record::{End, Place, Record};

/// All of a record that its rows hang on. Only a record that has rows of its own in every table is remembered.
#[derive(Debug)]
pub(super) struct Like {
    place: Place,
    provider: Arc<str>,
    port: u16,
    status: u16,
    method: http::Method,
    operation: &'static str,
    system: Option<&'static str>,
    end: End,
    reason: Option<Reason>,
    requested: Box<str>,
    answered: Box<str>,
}

impl Like {
    /// Remembers a record whose models count by these names.
    pub(super) fn of(record: &Record, requested: &str, answered: &str) -> Option<Self> {
        let known = record.kept.is_none() && record.usage.is_some() && requested != UNKNOWN && answered != UNKNOWN;
        let operation = record.operation.filter(|_| known)?;
        Some(Self {
            place: Place::of(record),
            provider: record.attempts.last()?.provider.clone(),
            port: record.port,
            status: record.status,
            method: record.method.clone(),
            operation,
            system: record.system,
            end: record.end,
            reason: record.reason,
            requested: requested.into(),
            answered: answered.into(),
        })
    }

    /// Whether a record counts where that one did.
    pub(super) fn is(&self, record: &Record) -> bool {
        self.place.is_of(record)
            && (self.port, self.status, self.end, self.reason)
                == (record.port, record.status, record.end, record.reason)
            && self.method == record.method
            && (Some(self.operation), self.system) == (record.operation, record.system)
            && record.usage.is_some()
            && record.kept.is_none()
            && record.sent_model() == Some(&*self.requested)
            && record.response_model.as_deref() == Some(&*self.answered)
            && record.answered()
            && record.attempts.last().is_some_and(|last| last.provider == self.provider)
    }
}
