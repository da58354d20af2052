//! `sessionPersistence` as rules write it.

use std::time::Duration;

use gateway::affinity::Carrier;

use super::{conditions, rules, served, status};

fn route(persistence: &str) -> String {
    let backend = "kind: AgentgatewayBackend\nmetadata: {name: b}\nspec: {ai: {provider: {openai: {}}}}";
    let rule = format!("{{sessionPersistence: {persistence}, backendRefs: [{{name: b}}]}}");
    format!(
        "{backend}\n---\nkind: AIRoute\nmetadata: {{name: r}}\nspec: {{parentRefs: [{{name: gw}}], rules: [{rule}]}}\n"
    )
}

#[test]
fn sessions_are_kept_where_and_as_long_as_the_rule_says() {
    let kept = |text: &str| rules(&served(&route(text)).snapshot)[0].persistence.clone().expect("kept");
    let header = kept("{type: Header, sessionName: X-Session, absoluteTimeout: 1h}");
    assert!(matches!(&header.carrier, Carrier::Header(name) if name == "x-session"));
    assert_eq!((header.lifetime, header.permanent), (Some(Duration::from_secs(3600)), false));
    let cookie = kept("{absoluteTimeout: 30m, cookieConfig: {lifetimeType: Permanent}}");
    assert!(matches!(&cookie.carrier, Carrier::Cookie(name) if name.starts_with("windtunnel-session-")));
    assert!(cookie.permanent);
    assert_eq!(cookie.carrier, kept("{type: Cookie}").carrier, "the same name on every replica");
}

#[test]
fn sessions_that_cannot_be_kept_as_written_are_refused_with_the_reason() {
    let cases = [
        ("{idleTimeout: 5m}", "idleTimeout is not supported yet"),
        ("{absoluteTimeout: 5}", "write `5s`"),
        ("{type: Header, cookieConfig: {lifetimeType: Session}}", "type: Cookie only"),
        ("{cookieConfig: {lifetimeType: Permanent}}", "needs absoluteTimeout"),
        ("{sessionName: 'a b'}", "`a b` is no name"),
    ];
    for (text, expected) in cases {
        let compiled = served(&route(text));
        assert!(conditions(&compiled, "AIRoute", "r").starts_with("Accepted=False/UnsupportedValue"), "{text}");
        let message = &status(&compiled, "AIRoute", "r").condition("Accepted").unwrap().message;
        assert!(message.contains(expected), "{text}: {message}");
    }
}
