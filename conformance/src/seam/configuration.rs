//! What saboteurs do to configuration, signals and readiness, on their way into the gateway and back out of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::manifest::{self, Manifests};
use crate::saboteur::Saboteur;
use crate::scenario::Signal;

/// Group and kind of what refers to other namespaces, and of what is referred to.
const REFERRERS: &[(&str, &str)] = &[
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("agentgateway.dev", "AIRoute"),
    ("agentgateway.dev", "AgentgatewayBackend"),
    ("agentgateway.dev", "AgentgatewayPolicy"),
];
const REFERRED: &[(&str, &str)] = &[("", "Secret"), ("", "Service"), ("agentgateway.dev", "AgentgatewayBackend")];

/// The text with which the gateway starts.
pub(crate) fn at_start(saboteur: Option<Saboteur>, manifests: &Manifests, text: String) -> String {
    match saboteur {
        Some(Saboteur::GrantsIgnored) => open_to_all(manifests).print(),
        _ => text,
    }
}

/// The text that reaches the gateway when its manifests change; none reaches it when a change is never seen.
pub(crate) fn reaching(saboteur: Option<Saboteur>, before: &Manifests, after: &Manifests) -> Option<String> {
    match saboteur {
        Some(Saboteur::ReloadLost) => None,
        Some(Saboteur::ReloadHalfApplied) => {
            let mut half = before.clone();
            match after.documents().iter().find(|document| !before.documents().contains(document)) {
                Some(first) => half.apply(first.clone()),
                None => half = after.clone(),
            }
            Some(half.print())
        }
        Some(Saboteur::OldSecretKept) => {
            let mut kept = after.clone();
            for secret in before.documents().iter().filter(|document| document["kind"] == "Secret") {
                kept.apply(secret.clone());
            }
            // The same text would be no change, and nothing would be said about it.
            Some(format!("{}# changed\n", kept.print()))
        }
        Some(Saboteur::GrantsIgnored) => Some(open_to_all(after).print()),
        _ => Some(after.print()),
    }
}

/// The same, with every namespace open to references from each of them.
fn open_to_all(manifests: &Manifests) -> Manifests {
    let documents = manifests.documents();
    let namespaces: BTreeSet<&str> = documents.iter().map(|manifest| manifest::key(manifest).1).collect();
    let from = |(group, kind): &(&str, &str)| {
        let entry = |namespace: &&str| json!({"group": group, "kind": kind, "namespace": namespace});
        namespaces.iter().map(entry).collect::<Vec<_>>()
    };
    let from: Vec<Value> = REFERRERS.iter().flat_map(from).collect();
    let to: Vec<Value> = REFERRED.iter().map(|(group, kind)| json!({"group": group, "kind": kind})).collect();
    let mut all = manifests.clone();
    for namespace in namespaces {
        all.apply(json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"name": "open-to-all", "namespace": namespace}, "spec": {"from": from, "to": to},
        }));
    }
    all
}

/// The signal that reaches the gateway instead of this one.
pub(crate) fn signal(saboteur: Option<Saboteur>, signal: Signal) -> Option<Signal> {
    match (saboteur, signal) {
        (Some(Saboteur::SigtermKillsAtOnce), Signal::Term) => Some(Signal::Kill),
        (Some(Saboteur::SigtermIgnored), Signal::Term) => None,
        (_, signal) => Some(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(key: &str, route: &str) -> Manifests {
        let secret = json!({"kind": "Secret", "metadata": {"name": "key"}, "stringData": {"apiKey": key}});
        Manifests::new(vec![secret, json!({"kind": "HTTPRoute", "metadata": {"name": "r"}, "spec": route})])
    }

    #[test]
    fn a_change_arrives_in_part() {
        let (before, after) = (manifests("old-key", "old-route"), manifests("new-key", "new-route"));
        let text = |saboteur| reaching(Some(saboteur), &before, &after).unwrap_or_default();
        let half = text(Saboteur::ReloadHalfApplied);
        assert!(half.contains("new-key") && half.contains("old-route"), "{half}");
        let kept = text(Saboteur::OldSecretKept);
        assert!(kept.contains("old-key") && kept.contains("new-route"), "{kept}");
        assert_eq!(text(Saboteur::ReloadLost), "");
        assert_eq!(reaching(None, &before, &after), Some(after.print()));
    }

    #[test]
    fn every_namespace_is_opened_from_the_start_on() {
        let route = json!({"kind": "HTTPRoute", "metadata": {"name": "r", "namespace": "apps"}});
        let manifests = Manifests::new(vec![route, json!({"kind": "Secret", "metadata": {"name": "key"}})]);
        let opened = at_start(Some(Saboteur::GrantsIgnored), &manifests, manifests.print());
        assert_eq!(opened.matches("kind: ReferenceGrant").count(), 2, "{opened}");
        assert_eq!(reaching(Some(Saboteur::GrantsIgnored), &manifests, &manifests), Some(opened));
        assert_eq!(at_start(None, &manifests, "as it is".to_owned()), "as it is");
    }
}
