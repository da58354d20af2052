//! Which exchanges are traced, where their spans go, and what is told in them: `frontend.tracing` of a policy, or the
//! environment's `OTEL_*`. Decides once, when a request begins; makes no spans and sends nothing.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cel::{Expression, Scope, Uses};
use crate::exchange::Exchange;
use crate::otel::Said;
use crate::record::Record;
use crate::route;
use crate::snapshot::{Endpoint, Snapshot};
use crate::trace::{Trace, state};

/// The tracing of one listener, or of all that have none of their own.
#[derive(Debug)]
pub struct Tracing {
    /// Where spans go.
    pub collector: Arc<Collector>,
    /// Which exchanges are traced.
    pub sampling: Sampling,
    /// Exchanges for which it is false are not exported; one that cannot be evaluated hides nothing.
    pub filter: Option<Expression>,
    /// Attributes of the server span that are added, or replaced.
    pub add: Vec<(Box<str>, Expression)>,
    /// Attributes of both spans that are left out.
    pub remove: Vec<Box<str>>,
    /// Prompts and answers are told as attributes.
    pub content: bool,
}

impl Tracing {
    /// What has to be kept of an exchange for it.
    #[must_use]
    pub fn uses(&self) -> Uses {
        let all = self.filter.iter().chain(self.add.iter().map(|(_, expression)| expression));
        let uses = all.fold(Uses::default(), |sum, expression| sum | expression.uses);
        uses | Uses { request_body: self.content, response_body: self.content, ..Uses::default() }
    }
}

/// What takes spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The path of a request.
    pub path: Box<str>,
    /// Sent with every request; marked as sensitive, so that Debug does not show them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// What the gateway says of itself, beside what the environment says.
    pub resource: Said,
}

/// How spans travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, in protobuf.
    Http,
}

/// Path of the gRPC method.
pub const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Path of OTLP over HTTP.
pub const HTTP_PATH: &str = "/v1/traces";

/// Who is traced.
#[derive(Debug)]
pub struct Sampling {
    /// Of requests without a trace; `None` traces none.
    pub root: Option<Chance>,
    /// Of requests that continue a trace.
    pub client: Chance,
    /// A client that is not sampled itself (flags 00) is not traced.
    pub heed_flag: bool,
}

/// A share of the traffic.
#[derive(Debug)]
pub enum Chance {
    /// By trace id, so that all who use the same share decide alike. In units of 2⁻⁶³.
    Share(u64),
    /// A boolean, or a share, of the request's head.
    Expression(Expression),
}

impl Chance {
    /// A share between 0 and 1.
    #[must_use]
    pub fn share(share: f64) -> Self {
        Self::Share((share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64)
    }

    fn takes(&self, trace_id: u128, scope: &Scope<'_>) -> bool {
        let below = |share: u64| (trace_id as u64) >> 1 < share;
        match self {
            Self::Share(share) => below(*share),
            Self::Expression(expression) => match expression.value(scope) {
                Some(serde_json::Value::Bool(taken)) => taken,
                Some(value) => value.as_f64().is_some_and(|share| match Self::share(share) {
                    Self::Share(share) => below(share),
                    Self::Expression(_) => false,
                }),
                None => false,
            },
        }
    }
}

impl Sampling {
    /// Marks the trace, and says whether its spans are exported.
    fn decide(&self, trace: &mut Trace, record: &Record, headers: &HeaderMap) -> bool {
        let scope = Scope { record, request_headers: Some(headers), response: None };
        let sampled = trace.flags & 1 == 1;
        let taken = if trace.continues() {
            let taken = self.client.takes(trace.trace_id, &scope);
            // who is not asked to take part leaves the caller's header to the next
            trace.passes = self.heed_flag && !taken;
            taken && (sampled || !self.heed_flag)
        } else {
            self.root.as_ref().is_some_and(|chance| chance.takes(trace.trace_id, &scope))
        };
        if !trace.passes {
            trace.flags = trace.flags & !1 | u8::from(taken);
        }
        taken
    }
}

/// Decides whether an exchange is traced: the listener's own tracing, else the environment's.
pub fn begin(exchange: &mut Exchange, snapshot: &Snapshot) {
    let record = &mut exchange.record;
    let bind = snapshot.binds.iter().find(|bind| bind.port == record.port).filter(|bind| bind.traced);
    let own = bind.and_then(|bind| route::listener(bind, &record.host)?.tracing.as_ref());
    let Some(tracing) = own.or(exchange.worker.shared.otel.tracing.as_ref()) else { return };
    let mut trace = record.trace;
    if tracing.sampling.decide(&mut trace, record, &exchange.head.headers) {
        record.tracing = Some(tracing.clone());
        let state = if trace.continues() { state::carried(&exchange.head.headers) } else { None };
        record.trace_state = state.map(Into::into);
    }
    record.trace = trace;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trace(trace_id: u128, parent_id: u64, flags: u8) -> Trace {
        Trace { trace_id, span_id: 7, parent_id, flags, passes: false }
    }

    fn decided(sampling: &Sampling, mut trace: Trace) -> (bool, u8, bool) {
        let taken = sampling.decide(&mut trace, &Record::empty(), &HeaderMap::new());
        (taken, trace.flags, trace.passes)
    }

    #[test]
    fn a_policy_heeds_the_callers_flag_and_leaves_alone_whom_it_does_not_take() {
        let all = || Chance::share(1.0);
        let policy = |root, client| Sampling { root, client, heed_flag: true };
        assert_eq!(decided(&policy(None, all()), trace(9, 0, 0)), (false, 0, false));
        assert_eq!(decided(&policy(Some(all()), all()), trace(9, 0, 0)), (true, 1, false));
        assert_eq!(decided(&policy(None, all()), trace(9, 5, 1)), (true, 1, false));
        assert_eq!(decided(&policy(None, all()), trace(9, 5, 0)), (false, 0, false));
        assert_eq!(decided(&policy(None, Chance::share(0.0)), trace(9, 5, 1)), (false, 1, true));
    }

    #[test]
    fn a_sampler_without_parent_overrules_the_callers_flag() {
        let always = Sampling { root: Some(Chance::share(1.0)), client: Chance::share(1.0), heed_flag: false };
        assert_eq!(decided(&always, trace(9, 5, 0)), (true, 1, false));
        let never = Sampling { root: None, client: Chance::share(0.0), heed_flag: false };
        assert_eq!(decided(&never, trace(9, 5, 1)), (false, 0, false));
    }

    proptest! {
        #[test]
        fn who_is_in_a_share_is_in_every_larger_one(id: u128, small in 0.0..1.0_f64, more in 0.0..1.0_f64) {
            let record = Record::empty();
            let scope = Scope { record: &record, request_headers: None, response: None };
            let takes = |share: f64| Chance::share(share).takes(id, &scope);
            prop_assert!(!takes(0.0) && takes(1.0));
            prop_assert!(!takes(small) || takes((small + more).min(1.0)));
        }

        #[test]
        fn a_share_takes_its_part_of_evenly_spread_ids(share in 0.0..1.0_f64, seed: u64) {
            let record = Record::empty();
            let scope = Scope { record: &record, request_headers: None, response: None };
            let chance = Chance::share(share);
            // an odd step walks through all values evenly
            let ids = (0..4096_u64).map(|n| seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            let taken = ids.filter(|id| chance.takes(u128::from(*id), &scope)).count();
            prop_assert!((taken as f64 / 4096.0 - share).abs() < 0.01, "{taken} of 4096 at {share}");
        }
    }
}
