//! The routes: one table for the dispatcher and the OpenAPI document.

use std::future::Future;
use std::pin::Pin;

use super::call::{Call, decoded};
use super::reply::{Refusal, Reply};
use super::{Desk, config, faults, journal, openapi, state, verify, watch};

/// What stands before every path.
pub(super) const PREFIX: &str = "/__mock";

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send + 'a>>;

/// A method on a path.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Below [`PREFIX`]; `{name}` stands for one segment.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// Name and meaning.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// The schema of the body it takes.
    pub(super) takes: Option<&'static str>,
    /// The status and the schema of what it gives.
    pub(super) gives: (u16, &'static str),
    pub(super) answer: for<'a> fn(&'a Desk, Call<'a>) -> Answer<'a>,
}

macro_rules! routes {
    ($($method:ident $path:literal $(? [$($query:tt)*])? $(< $takes:literal)? => $status:literal $gives:literal, $handler:path: $summary:literal;)*) => {
        /// All of them.
        pub(super) const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            summary: $summary,
            query: &[$($($query)*)?],
            takes: None$(.or_some($takes))?,
            gives: ($status, $gives),
            answer: |desk, call| Box::pin(async move { $handler(desk, &call).await }),
        },)*];
    };
}

/// Lets the table leave a schema out.
trait OrSome {
    const NONE: Self;
}
