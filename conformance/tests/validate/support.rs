//! A mock with the script that all 84 checks like, with something laid over it, and a run against it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conformance::validate::backend::{Access, Backend, Base};
use conformance::validate::deviation::Expected;
use conformance::validate::gather::Budget;
use conformance::validate::outcome::Outcome;
use conformance::validate::plan::Plan;
use conformance::validate::select::select;
use conformance::validate::survey::{Survey, Wishes};
use conformance::validate::{Setting, Told, run};
use mock_providers::script::Provider;
use mock_providers::{MockProvider, Options};
use serde_json::Value;

pub(crate) const KEY: &str = "windtunnel-validate-key";

/// Nobody listens.
pub(crate) struct Silent;

impl Told for Silent {
    fn planned(&self, _: &Survey, _: &Plan) {}
    fn asked(&self, _: usize, _: usize) {}
}

/// The mock of `ci/validate.sh`, with this laid over it: rules stand first, everything else replaces.
pub(crate) async fn provider(overlay: &Value) -> MockProvider {
    mock_providers::start("openai", script(overlay), Options::default()).await.expect("a free port")
}

/// Its script.
pub(crate) fn script(overlay: &Value) -> Provider {
    let mut script: Value = serde_saphyr::from_str(include_str!("../../../ci/validate/mock.yaml")).expect("YAML");
    let mut one = script["providers"]["openai"].take();
    for (name, value) in overlay.as_object().expect("a map") {
        if name == "rules" {
            let own = one["rules"].take();
            let all = [value, &own].map(|rules| rules.as_array().expect("rules").clone()).concat();
            one["rules"] = all.into();
        } else {
            one[name] = value.clone();
        }
    }
    serde_saphyr::from_str(&one.to_string()).unwrap_or_else(|error| panic!("{overlay}: {error}"))
}

/// What a run of these checks does, and how.
pub(crate) fn setting(names: &[&str], burst: Option<usize>) -> Setting {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Setting {
        checks: select(&names).expect("known checks"),
        wishes: Wishes {
            model: Some("gpt-4o-mini".to_owned()),
            context_window: Some(4096),
            burst,
            key: true,
            ..Wishes::default()
        },
        expected: Expected::default(),
        concurrency: 4,
        budget: Budget { most: 1000, told: 1000 },
        timeout: Duration::from_secs(20),
    }
}

/// A run of these checks, or of all.
pub(crate) async fn validate(address: SocketAddr, names: &[&str], burst: Option<usize>) -> Outcome {
    validate_with(address, &setting(names, burst)).await
}

pub(crate) async fn validate_with(address: SocketAddr, setting: &Setting) -> Outcome {
    let base = Base::parse(&format!("http://{address}/v1")).expect("a base URL");
    let access = Access { key: Some(KEY.to_owned()), ..Access::default() };
    let backend = Backend::find(base, &access, setting.timeout).await.expect("an address");
    run(&Arc::new(backend), setting, &Silent).await
}
