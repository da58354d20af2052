//! A text as manifests: refused with reasons, or compiled, told of and served from.

use http::{Method, Request};

use crate::config::{Compiled, ObjectStatus, Report, compile, from_sources};
use crate::route::{self, Asked};
use crate::snapshot::Snapshot;
use crate::yaml::Source;

/// Reads a text as a file of manifests. Says whether it was read.
pub fn manifests(text: &str) -> bool {
    let manifests = match from_sources(&[Source::new("all.yaml", text)]) {
        Ok(manifests) => manifests,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            let lines = text.lines().count() + 1;
            for problem in &problems {
                assert!(!problem.message.is_empty() && problem.line <= lines, "{problem:?}");
                assert!(problem.to_string().starts_with("error: "));
            }
            return false;
        }
    };
    let compiled = compile(&manifests, None);
    told(&compiled.status);
    let again = compile(&manifests, Some(&compiled.snapshot));
    assert_eq!(shown(&compiled), shown(&again), "compiled twice alike");
    assert!(compiled.snapshot.binds.is_sorted_by(|one, other| one.port < other.port), "a port is served once");
    serve(&compiled.snapshot);
    true
}

/// Every object has a name, and every condition a reason; what is not as it should be says why.
fn told(status: &[ObjectStatus]) {
    for object in status {
        for condition in object.every_condition() {
            assert!(!condition.reason.is_empty(), "{object:?}");
            assert!(condition.good() || !condition.message.is_empty(), "{object:?}");
        }
    }
}

fn shown(compiled: &Compiled) -> String {
    Report { status: compiled.status.clone() }.to_string()
}

/// Asks every port for a few paths.
fn serve(snapshot: &Snapshot) {
    for bind in &snapshot.binds {
        for path in ["/", "/v1/chat/completions", "/a/b?c=d&e"] {
            let (head, ()) = Request::get(path).header("x-a", "1").body(()).expect("a good request").into_parts();
            for host in ["", "a.example.com"] {
                for method in [Method::GET, Method::POST] {
                    let asked = Asked { method: &method, path: head.uri.path(), lenient: None, host, head: &head };
                    if let Ok((listener, entry)) = route::find(bind, asked) {
                        assert!(route::fits(listener.hostname.as_ref(), host));
                        assert!(route::fits(entry.hostname.as_ref(), host));
                    }
                }
            }
        }
    }
}
