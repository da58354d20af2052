//! What may stand beside what in a request.

use super::{Check, at};
use crate::scenario::{At, Request, Step};

impl Check<'_> {
    pub(super) fn request(&mut self, step: &At<Step>, request: &Request) {
        let bodies = [request.json.is_some(), request.body.is_some(), request.body_base64.is_some()];
        let raw = [request.raw.is_some(), request.raw_base64.is_some()];
        let paced = [request.write.is_some(), request.read.is_some(), request.hold.is_some()];
        let given = |keys: &[bool]| keys.iter().filter(|given| **given).count();
        let mut refuse = |wrong: bool, message: &str| {
            if wrong {
                self.problems.push(at(self.source, step, message));
            }
        };
        refuse(request.write.is_some_and(|write| write.bytes == 0), "`write` needs pieces of at least one byte");
        refuse(
            given(&raw) + usize::from(request.target().is_some()) != 1,
            "a request has exactly one method, such as `post: /path`, or `raw` or `raw_base64`",
        );
        refuse(given(&bodies) > 1, "only one of `json`, `body` and `body_base64` is the body");
        refuse(
            request.http2 && given(&raw) + given(&paced) + usize::from(request.chunked.is_some()) > 0,
            "`http2` goes with none of `raw`, `raw_base64`, `chunked`, `write`, `read` and `hold`",
        );
        refuse(
            request.connection.is_some() && !request.http2,
            "only requests over HTTP/2 share a `connection`: add `http2: true`",
        );
        let ways = request
            .close_after
            .map(|close| given(&[close.events.is_some(), close.bytes.is_some(), close.before_head.is_some()]));
        refuse(
            ways.is_some_and(|ways| ways != 1),
            "`close_after` is exactly one of `events`, `bytes` and `before_head`",
        );
    }
}
