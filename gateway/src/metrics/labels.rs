//! The labels of a record: which values make a key, and how they are written once a key is new.
//! What a client can spell freely is no label value: methods, paths and hosts are known ones or `unknown`.

use super::table::{Key, Labels, Table};
use crate::record::{End, Record};

/// The value of a label that has none.
pub(super) const UNKNOWN: &str = "unknown";
/// Names that labels of one's own may not have.
pub(super) const NAMES: [&str; 18] = [
    "bind",
    "gateway",
    "listener",
    "route",
    "route_rule",
    "backend",
    "provider",
    "protocol",
    "method",
    "status",
    "reason",
    "le",
    "quantile",
    "gen_ai_token_type",
    "gen_ai_operation_name",
    "gen_ai_system",
    "gen_ai_request_model",
    "gen_ai_response_model",
];

/// The values of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labeled<'a> {
    port: u16,
    /// 0 where it is none.
    status: u16,
    backend: &'a str,
    protocol: &'static str,
    method: &'a str,
    reason: &'static str,
    /// Gateway, listener, route and rule.
    route: [&'a str; 4],
    extra: &'a [(&'a str, String)],
}

impl<'a> Labeled<'a> {
    pub(super) fn of(record: &'a Record, extra: &'a [(&'a str, String)]) -> Self {
        let route = [&record.gateway, &record.listener, &record.route, &record.rule];
        Self {
            port: record.port,
            status: Some(record.status).filter(|status| (100..600).contains(status)).unwrap_or(0),
            backend: record.backend.as_deref().unwrap_or(UNKNOWN),
            protocol: record.protocol(),
            method: known_method(&record.method),
            reason: match (record.reason, record.end) {
                (Some(reason), _) => reason.name(),
                (None, End::ClientClosed) => "ClientClosed",
                (None, _) => "Upstream",
            },
            route: route.map(|part| part.as_deref().unwrap_or(UNKNOWN)),
            extra,
        }
    }

    pub(super) fn http<'t, V: Default + Clone>(&self, table: &'t mut Table<V>) -> &'t mut V {
        let [gateway, listener, route, rule] = self.route;
        let texts = [self.backend, self.protocol, self.method, self.reason, gateway, listener, route, rule];
        table.row(&self.key(self.status, &texts), |whose| {
            let status = self.status.to_string();
            let status = if self.status == 0 { UNKNOWN } else { &status };
            let own = [
                ("backend", self.backend),
                ("protocol", self.protocol),
                ("method", self.method),
                ("status", status),
                ("reason", self.reason),
            ];
            self.written(whose, &own)
        })
    }

    pub(super) fn route<'t, V: Default + Clone>(&self, table: &'t mut Table<V>) -> &'t mut V {
        let [gateway, listener, route, rule] = self.route;
        let texts = [self.backend, gateway, listener, route, rule];
        table.row(&self.key(0, &texts), |whose| self.written(whose, &[("backend", self.backend)]))
    }

    /// `asked`: operation, system, requested and answering model.
    pub(super) fn gen_ai<'t, V: Default + Clone>(&self, table: &'t mut Table<V>, asked: [&str; 4]) -> &'t mut V {
        let [gateway, listener, route, rule] = self.route;
        let [operation, system, requested, answered] = asked;
        let texts = [operation, system, requested, answered, gateway, listener, route, rule];
        table.row(&self.key(0, &texts), |whose| self.written(whose, &gen_ai(asked)))
    }

    pub(super) fn tokens<'t, V: Default + Clone>(
        &self,
        table: &'t mut Table<V>,
        asked: [&str; 4],
        provider: &str,
    ) -> &'t mut V {
        let [gateway, listener, route, rule] = self.route;
        let [operation, system, requested, answered] = asked;
        let texts = [operation, system, requested, answered, gateway, listener, route, rule, self.backend, provider];
        table.row(&self.key(0, &texts), |whose| {
            let mut own = gen_ai(asked).to_vec();
            own.extend([("backend", self.backend), ("provider", provider)]);
            self.written(whose, &own)
        })
    }

    fn key<'k>(&self, status: u16, texts: &'k [&'k str]) -> Key<'k>
    where
        'a: 'k,
    {
        Key { numbers: [self.port, status], texts, extra: self.extra }
    }

    /// `own`, then those of the route, then those of the Gateway's policy.
    fn written(&self, whose: Labels, own: &[(&str, &str)]) -> String {
        let [gateway, listener, route, rule] = self.route;
        let bind = format!("{}/{gateway}", self.port);
        let of_route =
            [("bind", &*bind), ("gateway", gateway), ("listener", listener), ("route", route), ("route_rule", rule)];
        let extra = self.extra.iter().map(|(name, value)| (*name, value.as_str()));
        let mut out = String::new();
        for (name, value) in own.iter().copied().chain(of_route).chain(extra) {
            let value = if whose == Labels::Rest { UNKNOWN } else { value };
            let comma = if out.is_empty() { "" } else { "," };
            out.push_str(&format!("{comma}{name}=\"{}\"", escaped(value)));
        }
        out
    }
}

fn gen_ai([operation, system, requested, answered]: [&str; 4]) -> [(&'static str, &str); 4] {
    [
        ("gen_ai_operation_name", operation),
        ("gen_ai_system", system),
        ("gen_ai_request_model", requested),
        ("gen_ai_response_model", answered),
    ]
}

fn known_method(method: &http::Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "CONNECT" | "TRACE") => known,
        _ => UNKNOWN,
    }
}

/// A label value as both formats want it.
pub(crate) fn escaped(text: &str) -> String {
    let shown = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    shown.replace(char::is_control, "\u{fffd}")
}
