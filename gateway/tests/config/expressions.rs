//! CEL expressions in manifests: where they are taken, and what status says of a wrong one.

use gateway::snapshot::Target;

use super::{ai, conditions, first_target, rules, served, status};

const BACKEND: &str = "
kind: AIRoute
metadata: {name: r}
spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: b}]}]}
---
kind: AgentgatewayBackend
metadata: {name: b}
spec: {ai: {provider: {openai: {}}}, policies: {health: {eviction: {duration: 9s}, unhealthyCondition: CONDITION}}}
";

fn message(compiled: &gateway::config::Compiled, kind: &str, name: &str) -> String {
    let condition = &status(compiled, kind, name).condition("Accepted").expect("a condition");
    format!("{}: {}", condition.reason, condition.message)
}

#[test]
fn a_wrong_unhealthy_condition_is_told_with_its_place_and_the_rest_holds() {
    let compiled = served(&BACKEND.replace("CONDITION", "response.code >= 500 || response.grpcStatus != 0"));
    let told = message(&compiled, "AgentgatewayBackend", "b");
    assert!(
        told.starts_with("PartiallyValid: policies.health.unhealthyCondition: 1:33: `response.grpcStatus`"),
        "{told}"
    );
    let target = first_target(&compiled);
    assert!(ai(&target).unhealthy.is_none() && ai(&target).eviction.is_some());
    let compiled = served(&BACKEND.replace("CONDITION", "response.code >= 500"));
    assert_eq!(conditions(&compiled, "AgentgatewayBackend", "b"), "Accepted=True/Accepted");
    assert!(ai(&first_target(&compiled)).unhealthy.is_some());
}

fn policy(target: &str, rest: &str) -> String {
    format!(
        "kind: AgentgatewayPolicy\nmetadata: {{name: p}}\nspec: {{targetRefs: [{{kind: {target}}}], {rest}}}\n---\n"
    )
}

#[test]
fn a_wrong_precondition_takes_its_retry_down_and_a_wrong_condition_only_itself() {
    let retry = |rest: &str| {
        let text = policy(
            "AIRoute, name: r",
            &format!("traffic: {{timeouts: {{request: 5s}}, retry: {{codes: [503], {rest}}}}}"),
        );
        let compiled = served(&(text + &BACKEND.replace("CONDITION", "'true'")));
        let retry = rules(&compiled.snapshot)[0].retry.clone();
        (message(&compiled, "AgentgatewayPolicy", "p"), retry)
    };
    let (told, kept) = retry("condition: response.code == 500, precondition: request.path == '/x'");
    assert!(told.starts_with("Valid"), "{told}");
    assert!(kept.is_some_and(|retry| retry.condition.is_some() && retry.precondition.is_some()));
    let (told, kept) = retry("condition: response.codes == 500");
    assert!(told.starts_with("PartiallyValid: traffic.retry.condition: 1:9: `response.codes`"), "{told}");
    assert!(kept.is_some_and(|retry| retry.condition.is_none()));
    let (told, kept) = retry("precondition: response.code == 500");
    assert!(
        told.starts_with("PartiallyValid: traffic.retry.precondition: 1:9: `response.code` is not known yet"),
        "{told}"
    );
    assert!(kept.is_none());
}

#[test]
fn retry_conditions_of_a_route_itself_are_refused() {
    let route = "kind: HTTPRoute\nmetadata: {name: h}\nspec: {parentRefs: [{name: gw}], rules: [{retry: {codes: [503], condition: 'true'}}]}\n";
    assert!(conditions(&served(route), "HTTPRoute", "h").starts_with("Accepted=False/UnsupportedValue"));
}

#[test]
fn the_access_log_of_a_listener_beats_its_gateways_and_wrong_attributes_are_told() {
    let log = |rest: &str| format!("frontend: {{accessLog: {{{rest}}}}}");
    let add = |name: &str, text: &str| log(&format!("attributes: {{add: [{{name: {name}, expression: \"{text}\"}}]}}"));
    let listener_log = |text: &str| {
        let compiled = served(text);
        let log = compiled.snapshot.binds[0].listeners[0].telling.as_ref().and_then(|telling| telling.log.clone());
        (
            message(&compiled, "AgentgatewayPolicy", "p"),
            log.map(|log| log.add.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()),
        )
    };
    let gateway = policy("Gateway, name: gw", &add("wide", "request.path"));
    let listener =
        policy("Gateway, name: gw, sectionName: http", &add("narrow", "request.path")).replace("name: p}", "name: q}");
    assert_eq!(
        listener_log(&(gateway.clone() + &listener)),
        ("Valid: Policy accepted".into(), Some(vec!["narrow".into()]))
    );
    assert_eq!(listener_log(&gateway).1, Some(vec!["wide".into()]));
    let two = log(
        "attributes: {add: [{name: bad, expression: nobody}, {name: good, expression: 'llm.totalTokens'}]}, otlp: {url: 'http://x'}",
    );
    let (told, kept) = listener_log(&policy("Gateway, name: gw", &two));
    assert_eq!(kept, Some(vec!["good".into()]));
    assert!(
        told.starts_with("PartiallyValid")
            && told.contains("attributes.add `bad`: 1:1: `nobody`")
            && told.contains("accessLog.otlp"),
        "{told}"
    );
    let (told, kept) = listener_log(&policy("Gateway, name: gw", &log("filter: 'response.code >'")));
    assert!(kept.is_none() && told.starts_with("Invalid: frontend.accessLog.filter: 1:16"), "{told}");
    let (told, kept) = listener_log(&policy("HTTPRoute, name: r", &add("a", "request.path")));
    assert!(kept.is_none() && told.contains("target Gateways only"), "{told}");
}

#[test]
fn a_wrong_condition_of_a_model_is_told_and_the_model_still_serves() {
    let text = "kind: AgentgatewayModel\nmetadata: {name: m}\nspec: {parentRefs: [{name: gw}], provider: OpenAI, policies: {health: {unhealthyCondition: CONDITION}}}\n";
    let compiled = served(&text.replace("CONDITION", "'response.code >= 500 &&'"));
    let told = message(&compiled, "AgentgatewayModel", "m");
    assert!(told.starts_with("PartiallyValid: policies.health.unhealthyCondition: 1:24"), "{told}");
    let compiled = served(&text.replace("CONDITION", "response.code >= 500"));
    let Target::Models(router) = first_target(&compiled) else { panic!("no models") };
    let Target::Ai(backend) = &router.find("m").expect("a model").targets[0].target else { panic!("broken") };
    assert!(backend.unhealthy.is_some());
}
