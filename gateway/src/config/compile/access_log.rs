//! `frontend.accessLog` of a policy → [`AccessLog`].

use std::sync::Arc;

use super::Refusal;
use super::cel::{self, Moment};
use crate::access_log::AccessLog;
use crate::config::resources::policy::FrontendSpec;

/// `frontend.accessLog`; an expression that is wrong is left out, and told.
pub(super) fn compile(frontend: &FrontendSpec, issues: &mut Vec<String>) -> Option<Arc<AccessLog>> {
    let spec = frontend.access_log.as_ref()?;
    let mut expression = |place: String, text: &str| {
        let issue = |refusal: Refusal| issues.push(format!("frontend.accessLog.{place}: {}", refusal.message));
        cel::compile(text, Moment::End).map_err(issue).ok()
    };
    let filter = spec.filter.as_deref().and_then(|text| expression("filter".to_owned(), text));
    let attributes = spec.attributes.clone().unwrap_or_default();
    let add = attributes.add.iter().filter_map(|attribute| {
        let read = expression(format!("attributes.add `{}`", attribute.name), &attribute.expression)?;
        Some((attribute.name.as_str().into(), read))
    });
    let log = AccessLog {
        filter,
        add: add.collect(),
        remove: attributes.remove.iter().map(|name| name.as_str().into()).collect(),
    };
    let says_something = log.filter.is_some() || !log.add.is_empty() || !log.remove.is_empty();
    says_something.then(|| Arc::new(log))
}
