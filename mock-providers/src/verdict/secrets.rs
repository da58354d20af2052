//! Keys of clients that came as far as a provider.

use memchr::memmem;

use super::{Finding, Policy, finding};
use crate::journal::RequestRecord;

/// Shorter texts turn up by chance.
pub(crate) const SHORTEST: usize = 8;

pub(super) fn judge(all: &[&RequestRecord], policy: &Policy) -> Vec<Finding> {
    let keys = policy.client_keys.iter().enumerate().filter(|(_, key)| key.len() >= SHORTEST);
    let found = keys.flat_map(|(index, key)| {
        all.iter().filter_map(move |record| {
            let place = place(record, key)?;
            let evidence = format!("client key {} of those given stands in {place}", index + 1);
            Some(finding("credential_leaked", &[record], evidence))
        })
    });
    found.collect()
}

fn place(record: &RequestRecord, key: &str) -> Option<String> {
    if let Some((name, _)) = record.head.headers().find(|(_, value)| value.contains(key)) {
        return Some(format!("header `{}`", name.to_ascii_lowercase()));
    }
    if record.head.path().contains(key) || record.head.query().is_some_and(|query| query.contains(key)) {
        return Some("the target".to_owned());
    }
    memmem::find(&record.body, key.as_bytes()).map(|_| "the body".to_owned())
}
