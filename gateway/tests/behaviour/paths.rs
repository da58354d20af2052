//! Paths are matched and forwarded in one form; what could be read in two ways is refused.

use crate::support::{ask, backend, get, pool, post, provider, rules, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_spellings_of_a_path_match_the_same_rule_and_arrive_in_one_form() {
    let (a, b) = (provider("a", "{}").await, provider("b", "{quirks: [unknown_path_200]}").await);
    let admin = format!("{{matches: [{{path: {{value: /admin}}}}], backendRefs: [{}]}}", backend("b", ""));
    let any = format!("{{backendRefs: [{}]}}", backend("a", ""));
    let running = start(&rules(&[&a, &b], &format!("[{admin}, {any}]")));
    for (path, forwarded) in
        [("/%61dmin/x?%61", "/admin/x"), ("/adm%69n", "/admin"), ("/admin/caf%c3%a9", "/admin/caf%C3%A9")]
    {
        assert_eq!(ask(&running, get(path, "")).await.status, 200, "{path}");
        let seen = b.journal().requests;
        assert_eq!(seen.last().map(|request| request.head.path()), Some(forwarded));
    }
    assert_eq!(b.journal().requests[0].head.query(), Some("%61"), "a query stays as it is");
    assert_eq!(a.journal().requests.len(), 0);
    // some servers would take these for /admin/x
    for path in ["/admin%2fx", "//admin/x", "/admin%5Cx", "/admin\\x", "/admin;v=1/x", "/x/../admin", "/%2e/admin/x"] {
        let answer = ask(&running, get(path, "")).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(matches!(answer.json()["error"]["code"].as_str(), Some("ambiguous_path" | "invalid_path")), "{path}");
    }
    // these lead to the same rule in either reading
    for path in ["/admin/x%2fy", "/admin//x", "/admin/x;v=1"] {
        assert_eq!(ask(&running, get(path, "")).await.status, 200, "{path}");
        assert!(b.journal().requests.last().unwrap().head.path().eq_ignore_ascii_case(path), "{path}");
    }
    assert_eq!(a.journal().requests.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_a_path_leads_around_its_operation() {
    const ASK: &str = r#"{"model":"dear","messages":[{"role":"user","content":"hi"}]}"#;
    let a = provider("a", "{respond: {text: ok}}").await;
    let routes = "  policies: {ai: {routes: {/v1/chat/completions: Completions, '*': Passthrough}}}\n";
    let running = start(&pool(&[&a], routes));
    for path in ["/v1/chat%2Fcompletions", "/v1/chat//completions", "/v1/chat/completions;x", "/v1/chat%5Ccompletions"]
    {
        let answer = ask(&running, post(path, ASK)).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("ambiguous_path")), "{path}");
    }
    assert_eq!(a.journal().requests.len(), 0);
    for path in ["/v1/chat/completions", "/v1/chat/completions/", "/v1/ch%61t/completions"] {
        assert_eq!(ask(&running, post(path, ASK)).await.status, 200, "{path}");
        let body = a.journal().requests.pop().unwrap().body;
        assert!(body.windows(5).any(|part| part == b"\"m-1\""), "{path}: the model is the backend's");
    }
    let log = running.stop();
    assert_eq!(log.last().unwrap()["http.path"], "/v1/chat/completions", "the path that was matched");
}
