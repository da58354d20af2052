//! The five tutorials with kubectl: their documents as they are, on a cluster with the controller and a data plane.

use crate::stage::Stage;
use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] = &[
    ("tutorials::a_route_to_openai_answers", route_to_openai),
    ("tutorials::the_mended_document_of_the_observability_tutorial_serves", mended),
    ("tutorials::the_first_ai_route_is_seen_with_kubectl_get", first_ai_route),
    ("tutorials::a_rotated_secret_and_a_kill_switch_act_within_a_second", secret_and_kill_switch),
    ("tutorials::two_local_models_share_the_load", local_models),
    ("tutorials::kubectl_describe_says_why_a_broken_object_is_broken", described),
];

const SYSTEM: &str = "agentgateway-system";
const DOCUMENTS: [&str; 5] = [
    include_str!("../../../docs/tutorials/000.yaml"),
    include_str!("../../../docs/tutorials/001.yaml"),
    include_str!("../../../docs/tutorials/002.yaml"),
    include_str!("../../../docs/tutorials/003.yaml"),
    include_str!("../../../docs/tutorials/004.yaml"),
];

/// The Gateway that a tutorial takes for granted.
fn gateway(name: &str, namespace: &str, port: u16) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{gatewayClassName: agentgateway, listeners: [{{name: http, port: {port}, protocol: HTTP}}]}}\n---\n"
    )
}

/// `kubectl create secret … --dry-run=client -o yaml | kubectl apply -f -`
fn secret(stage: &Stage, namespace: &str, name: &str, literal: &str) -> Result<(), Failure> {
    let words = format!("create secret generic {name} -n {namespace} --dry-run=client -o yaml --from-literal");
    let mut parts: Vec<&str> = words.split(' ').collect();
    parts.push(literal);
    let printed = stage.kubectl_with(&parts, "")?;
    stage.kubectl("apply -f -", &printed).map(drop)
}

/// Waits as the tutorials do, for an object with conditions of its own.
fn wait(stage: &Stage, namespace: &str, object: &str, condition: &str) -> Result<(), Failure> {
    stage.kubectl(&format!("wait {object} -n {namespace} --for=condition={condition} --timeout=60s"), "").map(drop)
}

/// Waits until the first parent of a route accepts it.
fn accepted(stage: &Stage, namespace: &str, route: &str) -> Result<(), Failure> {
    let path = r#"{.status.parents[0].conditions[?(@.type=="Accepted")].status}=True"#;
    stage.kubectl(&format!("wait {route} -n {namespace} --for=jsonpath={path} --timeout=60s"), "").map(drop)
}

/// The credentials that the provider saw, oldest first.
fn keys(stage: &Stage) -> Vec<String> {
    let seen = stage.openai.journal().requests;
    seen.iter().map(|request| request.head.header("authorization").unwrap_or_default().to_owned()).collect()
}

fn route_to_openai(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let namespace = "enterprise-agentgateway";
        let stage = Stage::start(world, namespace).await?;
        secret(&stage, namespace, "openai-secret", "Authorization=Bearer sk-000")?;
        stage.kubectl("apply -f -", &gateway("agentgateway", namespace, 8080))?;
        stage.kubectl("apply -f -", DOCUMENTS[0])?;
        wait(&stage, namespace, "gateway/agentgateway", "Programmed")?;
        wait(&stage, namespace, "agentgatewaybackend/openai-backend", "Accepted")?;
        accepted(&stage, namespace, "httproute/openai")?;
        let plane = stage.data_plane("enterprise-agentgateway/agentgateway", 8080).await?;
        assert_eq!(plane.chat("/openai", "gpt-4o-mini")?, "An AI gateway.");
        assert_eq!(keys(&stage), ["Bearer sk-000"]);
        Ok(())
    })
}

fn mended(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let stage = Stage::start(world, SYSTEM).await?;
        secret(&stage, SYSTEM, "openai-secret", "Authorization=Bearer sk-001")?;
        let gateway = gateway("agentgateway", SYSTEM, 8080);
        stage.kubectl("apply -f -", &gateway)?;
        let refused = stage.kubectl("apply -f -", DOCUMENTS[1]).expect_err("its YAML is broken").to_string();
        assert!(refused.contains("error converting YAML to JSON"), "{refused}");
        let mended = DOCUMENTS[1].replace("openai: {}\n        model", "openai:\n        model");
        stage.kubectl("apply -f -", &mended)?;
        accepted(&stage, SYSTEM, "httproute/openai")?;
        let plane = stage.data_plane("agentgateway-system/agentgateway", 8080).await?;
        assert_eq!(plane.chat("/openai", "gpt-4o-mini")?, "An AI gateway.");
        let asked = stage.openai.journal().requests[0].model.clone();
        assert_eq!(asked.as_deref(), Some("gpt-4o"), "the backend's model, not the client's");
        Ok(())
    })
}

fn first_ai_route(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let stage = Stage::start(world, SYSTEM).await?;
        secret(&stage, SYSTEM, "openai-secret", "Authorization=Bearer sk-002")?;
        stage.kubectl("apply -f -", DOCUMENTS[2])?;
        wait(&stage, SYSTEM, "agentgatewaybackend/openai-backend", "Accepted")?;
        wait(&stage, SYSTEM, "gateway/agentgateway-proxy", "Programmed")?;
        let table = stage.kubectl(&format!("get agentgatewaybackend -n {SYSTEM}"), "")?;
        let words: Vec<&str> = table.split_whitespace().take(5).collect();
        assert_eq!(words, ["NAME", "ACCEPTED", "AGE", "openai-backend", "True"]);
        let table = stage.kubectl(&format!("get gateway agentgateway-proxy -n {SYSTEM}"), "")?;
        assert!(table.contains("agentgateway-proxy   agentgateway") && table.contains("True"), "{table}");
        accepted(&stage, SYSTEM, "httproute/openai-chat")?;
        let plane = stage.data_plane("agentgateway-system/agentgateway-proxy", 8080).await?;
        for model in ["gpt-4o-mini", "gpt-4o"] {
            assert_eq!(plane.chat("/openai/chat/completions", model)?, "An AI gateway.");
        }
        Ok(())
    })
}

fn secret_and_kill_switch(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let stage = Stage::start(world, SYSTEM).await?;
        secret(&stage, SYSTEM, "openai-api-key", "apiKey=sk-old")?;
        stage.kubectl("apply -f -", DOCUMENTS[3])?;
        wait(&stage, SYSTEM, "gateway/llm-gateway", "Programmed")?;
        let route = stage.kubectl(&format!("get airoute openai-route -n {SYSTEM} -o yaml"), "")?;
        let plane = stage.data_plane("agentgateway-system/llm-gateway", 80).await?;
        let path = "/v1/chat/completions";
        assert_eq!(plane.chat(path, "gpt-4o-mini")?, "An AI gateway.");
        secret(&stage, SYSTEM, "openai-api-key", "apiKey=sk-new")?;
        let rotated = std::time::Instant::now();
        while keys(&stage).last().is_none_or(|key| key != "Bearer sk-new") {
            assert!(rotated.elapsed().as_secs() < 1, "the old key is still sent");
            plane.chat(path, "gpt-4o-mini")?;
        }
        stage.kubectl(&format!("delete airoute openai-route -n {SYSTEM}"), "")?;
        plane.within_a_second(path, 404)?;
        stage.kubectl("apply -f -", &route)?;
        plane.within_a_second(path, 200)
    })
}

fn local_models(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let stage = Stage::start(world, SYSTEM).await?;
        stage.kubectl("apply -f -", &gateway("agentgateway-proxy", SYSTEM, 80))?;
        stage.kubectl("apply -f -", DOCUMENTS[4])?;
        for backend in ["local-llm", "llm-pool"] {
            wait(&stage, SYSTEM, &format!("agentgatewaybackend/{backend}"), "Accepted")?;
            accepted(&stage, SYSTEM, &format!("httproute/{backend}"))?;
        }
        let plane = stage.data_plane("agentgateway-system/agentgateway-proxy", 80).await?;
        assert_eq!(plane.chat("/v1/chat/completions", "")?, "agentgateway works");
        stage.kubectl(&format!("delete httproute local-llm -n {SYSTEM}"), "")?;
        assert_eq!(plane.chat("/v1/chat/completions", "")?, "agentgateway works");
        let models: Vec<_> = stage.local.journal().requests.into_iter().map(|request| request.model).collect();
        assert_eq!(models, vec![Some("gemma-4-12b-it-Q5_K_M.gguf".to_owned()); 2]);
        Ok(())
    })
}

fn described(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let stage = Stage::start(world, SYSTEM).await?;
        stage.kubectl("apply -f -", &DOCUMENTS[2].replace("- name: openai-backend", "- name: opena-backend"))?;
        let missing = "jsonpath={.status.conditions[0].status}=False";
        stage.kubectl(
            &format!("wait agentgatewaybackend/openai-backend -n {SYSTEM} --for={missing} --timeout=60s"),
            "",
        )?;
        accepted(&stage, SYSTEM, "httproute/openai-chat")?;
        for (object, why) in [
            ("agentgatewaybackend openai-backend", "secret agentgateway-system/openai-secret not found"),
            ("httproute openai-chat", "BackendNotFound"),
        ] {
            let told = stage.kubectl(&format!("describe {object} -n {SYSTEM}"), "")?;
            assert!(told.contains(why), "{told}");
        }
        Ok(())
    })
}
