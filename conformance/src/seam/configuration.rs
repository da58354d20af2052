//! What saboteurs do to configuration, signals and readiness, on their way into the gateway and back out of it.

use crate::manifest::Manifests;
use crate::saboteur::Saboteur;
use crate::scenario::Signal;

/// The text with which the gateway starts.
pub(crate) fn at_start(saboteur: Option<Saboteur>, manifests: &Manifests, text: String) -> String {
    match saboteur {
        Some(Saboteur::GrantsIgnored) => manifests.open_to_all().print(),
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
        Some(Saboteur::GrantsIgnored) => Some(after.open_to_all().print()),
        _ => Some(after.print()),
    }
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
    use serde_json::json;

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
}
