//! Faults that are put over the scripts of running providers, until they are taken away.
//!
//! Owns that such a fault can happen, and that it outlives changes of the configuration. Refuses to count.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fleet, FleetError};
use crate::lint::{Severity, lint};
use crate::rules::Injected;
use crate::script::{Config, Fault, Provider};

impl Fleet {
    /// Puts a fault over those of a provider's script; `id` is its name from then on.
    pub(crate) async fn inject(
        &self,
        provider: &str,
        id: String,
        mut fault: Fault,
        written: Value,
    ) -> Result<(), FleetError> {
        fault.resolve(&self.options.folder)?;
        let _mine = self.changing.lock().await;
        let running = self.running();
        let gone = || FleetError::Edit(format!("there is no provider `{provider}` any more"));
        let member = running.member(provider).ok_or_else(gone)?;
        check(&fault, running.document.config()).map_err(FleetError::Edit)?;
        member.provider().inject(|injected| injected.insert(0, Injected::new(id, written, fault)));
        Ok(())
    }

    /// The faults that were put over scripts, by their providers; of each the latest first.
    pub(crate) fn injected(&self) -> Vec<(String, Injected)> {
        let of = |member: &super::Member| {
            let name = member.provider().name().to_owned();
            member.provider().injected().into_iter().map(move |injected| (name.clone(), injected))
        };
        self.running().members().flat_map(|member| of(member)).collect()
    }

    /// Takes such faults away; says how many.
    pub(crate) async fn withdraw(&self, ours: impl Fn(&Injected) -> bool) -> usize {
        let _mine = self.changing.lock().await;
        let mut taken = 0;
        for member in self.running().members() {
            member.provider().inject(|injected| {
                let before = injected.len();
                injected.retain(|one| !ours(one));
                taken += before - injected.len();
            });
        }
        taken
    }
}

/// Whether it can happen, and does something then.
fn check(fault: &Fault, config: &Config) -> Result<(), String> {
    if fault.names().is_empty() {
        return Err("the fault does nothing; add a key such as `status: 503`".to_owned());
    }
    let provider = Provider { faults: vec![fault.clone()], ..Provider::default() };
    let alone = Config {
        providers: BTreeMap::from([(String::new(), provider)]),
        states: config.states.clone(),
        ..Config::default()
    };
    match lint(&alone).into_iter().find(|finding| finding.severity == Severity::Error && finding.place.starts_with("p"))
    {
        Some(finding) => Err(format!("{}: {}; {}", finding.what, finding.why, finding.hint)),
        None => Ok(()),
    }
}
