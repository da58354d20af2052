//! One provider of a fleet, with the part of the configuration that it runs from.
//!
//! Owns telling a change that a running provider can take from one for which it has to start anew.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{Document, FleetOptions};
use crate::provider::{MockProvider, Options, StartError, start};
use crate::script::{Certificate, Dialect, Provider};
use crate::states::States;

/// A provider that runs.
pub struct Member {
    provider: MockProvider,
    tls: bool,
    fixed: Value,
    script: Mutex<(Value, Provider)>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.provider.fmt(f)
    }
}

/// What a configuration wants of one provider.
pub(super) struct Plan {
    name: String,
    provider: Provider,
    seed: u64,
    /// What holds for all providers.
    global: Options,
    /// What holds for as long as it runs.
    fixed: Value,
    /// What it can take while it runs.
    script: Value,
}

impl Plan {
    pub(super) fn of(document: &Document, name: &str, states: &Arc<States>, options: &FleetOptions) -> Self {
        let Document { value, config } = document;
        let own = &value["providers"][name];
        let mut shared = value.clone();
        if let Value::Object(shared) = &mut shared {
            ["providers", "defaults", "admin"].iter().for_each(|key| _ = shared.remove(*key));
        }
        Self {
            name: name.to_owned(),
            provider: config.providers[name].clone(),
            seed: options.seed.or(config.seed).unwrap_or(0),
            global: Options { states: Some(states.clone()), ..Options::of(config) },
            fixed: json!([shared, own["tls"], own["certificate"], own["http2"]]),
            script: json!([own, value["defaults"]]),
        }
    }
}

impl Member {
    /// Starts it where it says, else at `earlier`, else on a free port.
    pub(super) async fn start(
        plan: Plan,
        earlier: Option<SocketAddr>,
        options: &FleetOptions,
    ) -> Result<Self, StartError> {
        let Plan { name, provider, seed, global, fixed, script } = plan;
        let tls = provider.tls;
        let free = SocketAddr::new(options.bind, 0);
        let running = Options {
            bind: provider.listen.or(earlier).unwrap_or(free),
            origin: options.origin,
            seed,
            tls: tls.then(|| match provider.certificate {
                Certificate::Valid => options.ca.server_config_for_any_name(),
                faulty => options.ca.faulty_config(faulty, &["localhost", "127.0.0.1"]),
            }),
            ca: Some(options.ca.clone()),
            journal: options.journal,
            workers: options.workers.clone(),
            ..global
        };
        let script = Mutex::new((script, provider.clone()));
        Ok(Self { provider: start(&name, provider, running).await?, tls, fixed, script })
    }

    /// Whether it can go on with that without starting anew.
    pub(super) fn can_take(&self, plan: &Plan) -> bool {
        self.fixed == plan.fixed && plan.provider.listen.is_none_or(|listen| self.listens_at(listen))
    }

    fn listens_at(&self, wanted: SocketAddr) -> bool {
        wanted == self.addr() || (wanted.port() == 0 && wanted.ip() == self.addr().ip())
    }

    /// Takes a script, unless it has it already.
    pub(super) fn take(&self, plan: Plan) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        if script.0 != plan.script {
            self.provider.set_script(plan.provider.clone());
            *script = (plan.script, plan.provider);
        }
    }

    /// What it is answered in where nothing else is asked for.
    pub(crate) fn dialect(&self) -> Dialect {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).1.dialect
    }

    /// The provider itself.
    pub fn provider(&self) -> &MockProvider {
        &self.provider
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.provider.addr()
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.addr())
    }
}
