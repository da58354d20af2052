//! The table of rules, one file each, and what several of them look at.
//! A rule is added by adding its file and its line; its two manifests are its test.

mod ai_route;
mod burst_adds;
mod claim;
mod client_key;
mod condition_replaces;
mod dangling;
mod dead_alias;
mod double_bearer;
mod equal_matches;
mod given_twice;
mod inline_key;
mod kill_switch;
mod kind_left_out;
mod limits_not_evicted;
mod log_bodies;
mod log_format;
mod mirror_body;
mod model_needed;
mod model_replaced;
mod never_evicts;
mod no_backends;
mod no_common_host;
mod no_eviction;
mod no_grant;
mod no_section;
mod no_traces;
mod not_admitted;
mod not_in_schema;
mod only_chat;
mod open_to_all;
mod ours_only;
mod path_forwarded;
mod plaintext_key;
mod proxy_name;
mod refused_provider;
mod repeated_match;
mod retry_attempts;
mod retry_codes;
mod same_group;
mod secret_key;
mod secret_namespace;
mod span_content;
mod stream_timeout;
mod tls_left_out;
mod unknown_metric;
mod unreadable;

use super::set::{Auth, Held, Object, Parent, PathMatch, Provider, Reference, RouteRule, Set, Unreadable};
use super::set::{parents, providers, targets};
use super::tree::{Entry, Mark, Node};
use super::{Hit, Rule, Severity};

/// Every rule, by id.
pub static RULES: &[Rule] = &[
    ai_route::RULE,
    secret_key::RULE,
    secret_namespace::RULE,
    model_replaced::RULE,
    model_needed::RULE,
    log_bodies::RULE,
    log_format::RULE,
    no_traces::RULE,
    unknown_metric::RULE,
    no_eviction::RULE,
    path_forwarded::RULE,
    kill_switch::RULE,
    unreadable::RULE,
    proxy_name::RULE,
    open_to_all::RULE,
    stream_timeout::RULE,
    retry_attempts::RULE,
    kind_left_out::RULE,
    only_chat::RULE,
    equal_matches::RULE,
    same_group::RULE,
    span_content::RULE,
    not_in_schema::RULE,
    given_twice::RULE,
    dangling::RULE,
    no_section::RULE,
    no_grant::RULE,
    not_admitted::RULE,
    no_common_host::RULE,
    plaintext_key::RULE,
    tls_left_out::RULE,
    inline_key::RULE,
    double_bearer::RULE,
    dead_alias::RULE,
    retry_codes::RULE,
    never_evicts::RULE,
    limits_not_evicted::RULE,
    condition_replaces::RULE,
    no_backends::RULE,
    refused_provider::RULE,
    mirror_body::RULE,
    client_key::RULE,
    burst_adds::RULE,
    repeated_match::RULE,
    ours_only::RULE,
];

/// Gateways of agentgateway's class.
fn gateways<'a>(set: &'a Set<'_>) -> impl Iterator<Item = &'a Object> {
    set.of("Gateway").filter(|gateway| gateway.root.text_at("spec.gatewayClassName") == Some("agentgateway"))
}

/// Every `retry`, of rules and of policies.
fn retries<'a>(set: &'a Set<'_>) -> impl Iterator<Item = &'a Entry> {
    let of_rules = set.route_rules().filter_map(|rule| rule.node.entry("retry"));
    of_rules.chain(set.of("AgentgatewayPolicy").filter_map(|policy| policy.root.entry("spec.traffic.retry")))
}

/// Every `health`, of backends, providers and policies.
fn healths<'a>(set: &'a Set<'_>) -> impl Iterator<Item = &'a Entry> {
    let paths = ["spec.policies.health", "spec.backend.health"].into_iter();
    let shared = paths.flat_map(|path| set.objects.iter().filter_map(move |object| object.root.entry(path)));
    shared.chain(set.providers().filter_map(|provider| provider.node.entry("policies.health")))
}

/// Whether an expression reads prompts or answers.
fn shows_content(expression: &str) -> bool {
    ["request.body", "response.body", "llm.prompt", "llm.completion"].iter().any(|part| expression.contains(part))
}
