//! CEL expressions of policies: what counts as a failure, what is retried, what the access log tells.

use std::net::SocketAddr;

use crate::support::{Answer, pool, post, provider, raw, start};

const ASK: &str = r#"{"model":"asked","messages":[{"role":"user","content":"hi"}]}"#;

/// Asks with headers of one's own.
async fn ask(address: SocketAddr, headers: &str) -> Answer {
    let request = String::from_utf8(post("/v1/chat/completions", ASK)).unwrap();
    let request = request.replacen("\r\n", &format!("\r\n{headers}"), 1);
    tokio::task::spawn_blocking(move || raw(address, request.as_bytes())).await.unwrap()
}

fn policy(target: &str, rest: &str) -> String {
    let group = "group: gateway.networking.k8s.io";
    format!(
        "---\nkind: AgentgatewayPolicy\nmetadata: {{name: p}}\nspec: {{targetRefs: [{{{group}, {target}}}], {rest}}}\n"
    )
}

fn retry(rest: &str) -> String {
    policy("kind: HTTPRoute, name: pool", &format!("traffic: {{retry: {{attempts: 1, {rest}}}}}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_condition_says_which_answers_evict() {
    for (condition, first, evicts) in [
        ("response.code >= 500", "{respond: {status: 500}}", true),
        ("response.code >= 500", "{respond: {status: 404}}", false),
        ("response.code == 404", "{respond: {status: 404}}", true),
        ("response.code == 404", "{respond: {status: 500}}", false),
        ("response.headers['x-none'] == 'a'", "{respond: {status: 500}}", false),
    ] {
        let (a, b) = (provider("a", first).await, provider("b", "{respond: {text: by b}}").await);
        let health =
            format!("  policies: {{health: {{unhealthyCondition: \"{condition}\", eviction: {{duration: 60s}}}}}}\n");
        let running = start(&pool(&[&a, &b], &health));
        assert_ne!(ask(running.address(), "").await.status, 200, "{condition} {first}");
        let second = ask(running.address(), "").await;
        assert_eq!(second.status == 200, evicts, "{condition} {first}: {second:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_answers_that_are_judged_unhealthy_count_in_a_row() {
    let (a, b) = (provider("a", "{respond: {text: by a}}").await, provider("b", "{respond: {text: by b}}").await);
    let health = "  policies: {health: {unhealthyCondition: 'response.code == 200', eviction: {duration: 60s, consecutiveFailures: 3}}}\n";
    let running = start(&pool(&[&a, &b], health));
    for by in ["by a", "by a", "by a", "by b"] {
        let answer = ask(running.address(), "").await;
        assert!(answer.text().contains(by), "{by}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_retries_what_no_code_lists_and_a_precondition_forbids_it() {
    let first = "{respond: {status: 418, headers: {x-again: 'yes'}, json: {}}}";
    let condition = "condition: \"response.headers['x-again'] == 'yes' && response.code != 419\"";
    let precondition = "precondition: \"request.headers['x-cheap'] == 'yes' && request.method == 'POST'\"";
    for (rest, headers, status) in [
        (condition.to_owned(), "", 200),
        ("codes: [503]".to_owned(), "", 418),
        ("condition: response.code == 419".to_owned(), "", 418),
        (format!("{condition}, {precondition}"), "", 418),
        (format!("{condition}, {precondition}"), "X-Cheap: yes\r\n", 200),
        (format!("codes: [418], {precondition}"), "X-Cheap: no\r\n", 418),
        ("codes: [418], precondition: 'llm.requestModel == \"asked\"'".to_owned(), "", 200),
    ] {
        let (a, b) = (provider("a", first).await, provider("b", "{respond: {text: by b}}").await);
        let running = start(&(pool(&[&a, &b], "") + &retry(&rest)));
        let answer = ask(running.address(), headers).await;
        assert_eq!(answer.status, status, "{rest} {headers}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_precondition_also_forbids_the_built_in_failover() {
    let (a, b) = (provider("a", "{respond: {status: 503}}").await, provider("b", "{}").await);
    let running = start(&(pool(&[&a, &b], "") + &retry("codes: [503], precondition: 'false'")));
    assert_eq!((ask(running.address(), "").await.status, b.journal().requests.len()), (503, 0));
}

fn access_log(rest: &str) -> String {
    policy("kind: Gateway, name: gateway", &format!("frontend: {{accessLog: {{{rest}}}}}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_are_added_replaced_and_removed() {
    let a = provider("a", "{respond: {text: the answer, headers: {x-region: north}}, models: [m-1]}").await;
    let add = [
        ("tier", "request.headers['x-tier']"),
        ("key", "request.headers['authorization']"),
        ("region", "response.headers['x-region']"),
        ("route", "'mine ' + request.path"),
        ("tokens", "llm.inputTokens + llm.outputTokens == llm.totalTokens"),
        ("asked", "{'model': llm.requestModel, 'code': response.code}"),
        ("prompt", "request.body"),
        ("said", "response.body.contains('the answer')"),
    ];
    let add: Vec<_> = add.iter().map(|(name, text)| format!("{{name: {name}, expression: \"{text}\"}}")).collect();
    let log = format!("attributes: {{add: [{}], remove: [trace.id, http.host]}}", add.join(", "));
    let running = start(&(pool(&[&a], "") + &access_log(&log)));
    let answer = ask(running.address(), "X-Tier: gold\r\nAuthorization: Bearer sk-secret\r\n").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = running.stop().remove(0);
    let expected = serde_json::json!({
        "tier": "gold", "region": "north", "route": "mine /v1/chat/completions", "tokens": true,
        "asked": {"model": "asked", "code": 200}, "prompt": ASK, "said": true,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&record[name], value, "{name}: {record}");
    }
    let absent = ["trace.id", "http.host", "key", "request.body", "response.body"];
    assert!(absent.iter().all(|name| record.get(name).is_none()), "{record}");
    assert!(!record.to_string().contains("sk-secret"), "{record}");
    assert_eq!(record["http.status"], 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_leaves_out_exchanges_and_one_that_cannot_be_evaluated_none() {
    for (filter, told) in [
        ("response.code >= 400", vec![404]),
        ("response.code < 400", vec![200]),
        ("request.headers['x-none'] == 'a'", vec![200, 404]),
        ("size(request.path) > 3 && llm.streaming", vec![404]),
    ] {
        let a = provider("a", "{}").await;
        let running = start(&(pool(&[&a], "") + &access_log(&format!("filter: \"{filter}\""))));
        assert_eq!(ask(running.address(), "").await.status, 200);
        let address = running.address();
        let unknown = post("/nowhere", "{}");
        let answer = tokio::task::spawn_blocking(move || raw(address, &unknown)).await.unwrap();
        assert_eq!(answer.status, 404);
        let metrics = running.metrics(2);
        assert!(metrics.contains("status=\"404\""), "filtered exchanges are still counted: {metrics}");
        let statuses: Vec<_> = running.stop().iter().map(|record| record["http.status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, told, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_no_route_serves_is_told_by_its_listeners_log_too() {
    let a = provider("a", "{}").await;
    let log = "attributes: {add: [{name: verb, expression: request.method}]}";
    let text = pool(&[&a], "").replacen("- backendRefs", "- matches: [{path: {value: /only}}]\n      backendRefs", 1);
    let running = start(&(text + &access_log(log)));
    assert_eq!(ask(running.address(), "").await.status, 404);
    assert_eq!(running.stop()[0]["verb"], "POST");
}
