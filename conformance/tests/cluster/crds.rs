//! The CRDs on a real API server: it takes them, refuses what breaks a rule in the rule's own words, and kubectl shows
//! and explains the objects.

mod broken;
#[path = "../authoring/manifests.rs"]
mod manifests;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conformance::cluster::Objects;
use gateway::crds::{RULES, crds};
use serde_json::{Value, json};

use crate::support::{Failure, Test, World};

pub(crate) const TESTS: &[Test] = &[
    ("crds::the_api_server_takes_every_definition_as_structural", structural),
    ("crds::the_objects_of_the_tutorials_are_taken_as_they_are", tutorials),
    ("crds::the_manifests_of_the_suite_are_taken_but_for_those_that_are_wrong_on_purpose", suite),
    ("crds::each_rule_refuses_what_breaks_it_and_says_what_to_do", each_rule),
    ("crds::what_is_too_much_or_too_little_is_refused", bounds),
    ("crds::what_the_gateway_does_not_support_yet_is_taken", unsupported),
    ("crds::a_misspelt_field_is_refused", misspelt),
    ("crds::a_map_may_lose_its_last_field", emptied),
    ("crds::kubectl_shows_the_columns_of_the_tutorials", columns),
    ("crds::kubectl_knows_short_names_and_the_category", names),
    ("crds::kubectl_explains_fields", explained),
];

const VERSION: &str = "agentgateway.dev/v1alpha1";

/// An object of a test, its spec as YAML.
fn object(kind: &str, namespace: &str, spec: &str) -> Value {
    let spec: Value = serde_yaml::from_str(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
    json!({"apiVersion": VERSION, "kind": kind, "metadata": {"name": "one", "namespace": namespace}, "spec": spec})
}

fn structural(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.objects().await?;
        for crd in crds() {
            let name = crd["metadata"]["name"].as_str().expect("a name");
            let found = objects.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name).await?;
            let found = found.ok_or_else(|| format!("{name} is not there"))?;
            let conditions = found["status"]["conditions"].as_array().ok_or("it has no conditions")?;
            let status = |type_: &str| conditions.iter().find(|one| one["type"] == type_).map(|one| &one["status"]);
            assert_eq!(status("Established"), Some(&json!("True")), "{name}");
            assert_eq!(status("NamesAccepted"), Some(&json!("True")), "{name}");
            assert_eq!(status("NonStructuralSchema"), None, "{name}: {conditions:#?}");
        }
        Ok(())
    })
}

fn tutorials(world: &World) -> Result<(), Failure> {
    let mended =
        include_str!("../../../docs/tutorials/001.yaml").replace("openai: {}\n        model", "openai:\n        model");
    let texts = [
        include_str!("../../../docs/tutorials/000.yaml"),
        &mended,
        include_str!("../../../docs/tutorials/002.yaml"),
        include_str!("../../../docs/tutorials/003.yaml"),
        include_str!("../../../docs/tutorials/004.yaml"),
    ];
    world.block_on(async {
        let objects = world.namespace("crds-tutorials").await?;
        for text in texts {
            // a namespace of this test's own: others apply the tutorials too
            let here =
                ["enterprise-agentgateway", "agentgateway-system"].iter().fold(text.to_owned(), |text, theirs| {
                    text.replace(&format!("namespace: {theirs}"), "namespace: crds-tutorials")
                });
            objects.apply_yaml(&here).await?;
        }
        let route = objects.get(VERSION, "AIRoute", "crds-tutorials", "openai-route").await?.ok_or("no AIRoute")?;
        assert_eq!(route["spec"]["rules"][0]["backendRefs"][0].get("kind"), None, "nothing is filled in");
        Ok(())
    })
}

/// Manifests of scenarios that are about objects which are wrong, and the end of what the server says.
const WRONG: [(&str, &str); 2] = [
    ("scenarios/cl/CL-02.yaml", ".spec.ai.provider.port: expected numeric (int or float), got string"),
    ("scenarios/cl/CL-06.yaml", ".spec.traffic.retry.atempts: field not declared in schema"),
];

fn suite(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("crds-suite").await?;
        let kinds: Vec<Value> = crds().iter().map(|crd| crd["spec"]["names"]["kind"].clone()).collect();
        let mut refused = Vec::new();
        let ours = manifests::all().into_iter().filter(|(_, object)| kinds.contains(&object["kind"]));
        for (at, (file, mut object)) in ours.enumerate() {
            object["apiVersion"] = json!(VERSION);
            object["metadata"] = json!({"name": format!("n{at}"), "namespace": "crds-suite"});
            if let Err(error) = objects.apply(&object).await {
                refused.push((file, error.message()));
            }
        }
        refused.sort();
        assert_eq!(refused.len(), WRONG.len(), "{refused:#?}");
        for ((file, said), (of, ends)) in refused.iter().zip(WRONG) {
            assert!(file == of && said.ends_with(ends), "{file}: {said}");
        }
        Ok(())
    })
}

fn each_rule(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("crds-rules").await?;
        let mut tried = Vec::new();
        for (kind, spec, begins) in broken::BROKEN {
            let rule = RULES.iter().find(|rule| rule.message.starts_with(begins)).ok_or(*begins)?;
            let said = refusal(&objects, &object(kind, "crds-rules", spec)).await;
            assert!(said.contains(rule.message), "{kind} {spec}: {said}");
            tried.push(rule.message);
        }
        let left: Vec<_> = RULES.iter().filter(|rule| !tried.contains(&rule.message)).collect();
        assert!(left.is_empty(), "no object breaks {left:#?}");
        Ok(())
    })
}

async fn refusal(objects: &Objects, object: &Value) -> String {
    match objects.apply(object).await {
        Ok(_) => format!("taken: {object}"),
        Err(error) => error.message(),
    }
}

fn bounds(world: &World) -> Result<(), Failure> {
    let groups = |number: usize| {
        format!("{{ai: {{groups: [{}]}}}}", ["{providers: [{name: a, openai: {}}]}"].repeat(number).join(", "))
    };
    let providers = |number: usize| {
        let all: Vec<_> = (0..number).map(|at| format!("{{name: p{at}, openai: {{}}}}")).collect();
        format!("{{ai: {{groups: [{{providers: [{}]}}]}}}}", all.join(", "))
    };
    let policies = |policies: &str| format!("{{ai: {{provider: {{openai: {{}}}}}}, policies: {policies}}}");
    let wrong = [
        (groups(0), "should have at least 1 items"),
        (groups(9), "must have at most 8 items"),
        (providers(0), "should have at least 1 items"),
        (providers(17), "must have at most 16 items"),
        ("{static: {host: a, port: 0}}".to_owned(), "should be greater than or equal to 1"),
        ("{static: {host: a, port: 65536}}".to_owned(), "should be less than or equal to 65535"),
        ("{ai: {provider: {openai: {model: ''}}}}".to_owned(), "should be at least 1 chars long"),
        (policies("{health: {eviction: {restoreHealth: 101}}}"), "should be less than or equal to 100"),
        (policies("{tcp: {connectTimeout: '10'}}"), "should match '^([0-9]{1,5}(h|m|s|ms)){1,4}$'"),
        (policies("{ai: {routes: {/a: Chat}}}"), "Unsupported value: \"Chat\""),
    ];
    world.block_on(async {
        let objects = world.namespace("crds-bounds").await?;
        for (spec, why) in &wrong {
            let said = refusal(&objects, &object("AgentgatewayBackend", "crds-bounds", spec)).await;
            assert!(said.contains(why), "{spec}: {said}");
        }
        for right in [groups(8), providers(16)] {
            objects.apply(&object("AgentgatewayBackend", "crds-bounds", &right)).await?;
        }
        Ok(())
    })
}

fn unsupported(world: &World) -> Result<(), Failure> {
    let taken = [
        ("AgentgatewayBackend", "{ai: {provider: {bedrock: {region: eu-west-1, guardrail: {identifier: a}}}}}"),
        ("AgentgatewayBackend", "{ai: {provider: {openai: {}}}, policies: {ai: {defaults: [{field: a, value: 1}]}}}"),
        (
            "AgentgatewayPolicy",
            "{targetRefs: [{kind: Gateway, name: a}], traffic: {hostRewrite: Auto, rateLimit: {local: []}}}",
        ),
        ("AgentgatewayParameters", "{image: {tag: v1}, resources: {limits: {cpu: 1}}, modelCatalog: {sources: []}}"),
    ];
    world.block_on(async {
        let objects = world.namespace("crds-unsupported").await?;
        for (kind, spec) in taken {
            let object = object(kind, "crds-unsupported", spec);
            let applied = objects.apply(&object).await?;
            assert_eq!(applied["spec"], object["spec"], "the server keeps all of it");
        }
        Ok(())
    })
}

fn misspelt(world: &World) -> Result<(), Failure> {
    world.block_on(world.namespace("crds-misspelt"))?;
    let object = object("AgentgatewayBackend", "crds-misspelt", "{ai: {provider: {openai: {modle: a}}}}").to_string();
    let (done, said) = kubectl(world, &["apply", "-f", "-"], &object)?;
    assert!(!done && said.contains(r#"unknown field "spec.ai.provider.openai.modle""#), "{said}");
    let (done, said) = kubectl(world, &["apply", "--server-side", "-f", "-"], &object)?;
    assert!(!done && said.contains(".spec.ai.provider.openai.modle: field not declared in schema"), "{said}");
    Ok(())
}

fn emptied(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("crds-emptied").await?;
        for (full, empty) in [
            ("{ai: {provider: {openai: {model: a}}}}", "{ai: {provider: {openai: {}}}}"),
            (
                "{static: {host: a, port: 1}, policies: {tls: {sni: a}}}",
                "{static: {host: a, port: 1}, policies: {tls: {}}}",
            ),
        ] {
            objects.delete(VERSION, "AgentgatewayBackend", "crds-emptied", "one").await?;
            objects.apply(&object("AgentgatewayBackend", "crds-emptied", full)).await?;
            let empty = object("AgentgatewayBackend", "crds-emptied", empty);
            assert_eq!(objects.apply(&empty).await?["spec"], empty["spec"]);
        }
        Ok(())
    })
}

fn columns(world: &World) -> Result<(), Failure> {
    let namespace = "crds-columns";
    world.block_on(world.namespace(namespace))?;
    let accepted = |type_: &str| {
        let at = "2026-01-01T00:00:00Z";
        json!({"type": type_, "status": "True", "reason": type_, "message": "", "lastTransitionTime": at})
    };
    let conditions = json!([accepted("Accepted"), accepted("Attached")]);
    let of_parent = json!([{"parentRef": {"name": "a"}, "controllerName": "a.b/c", "conditions": conditions}]);
    let of_ancestor = json!([{"ancestorRef": {"name": "a"}, "controllerName": "a.b/c", "conditions": conditions}]);
    let target = "{targetRefs: [{kind: Gateway, name: a}], traffic: {}}";
    let all = [
        (
            "AgentgatewayBackend",
            "{ai: {provider: {openai: {}}}}",
            json!({"conditions": conditions}),
            "NAME ACCEPTED AGE",
            "one True",
        ),
        (
            "AgentgatewayPolicy",
            target,
            json!({"ancestors": of_ancestor}),
            "NAME ACCEPTED ATTACHED AGE",
            "one True True",
        ),
        (
            "AgentgatewayModel",
            "{match: {model: m*}, provider: OpenAI}",
            json!({"parents": of_parent}),
            "NAME MODEL MATCH ACCEPTED AGE",
            "one m* True",
        ),
        ("AgentgatewayParameters", "{}", json!({}), "NAME AGE", "one"),
        (
            "aiRoute",
            "{hostnames: [a.test]}",
            json!({"parents": of_parent}),
            "NAME HOSTNAMES ACCEPTED AGE",
            r#"one ["a.test"] True"#,
        ),
    ];
    for (kind, spec, status, head, row) in all {
        let made = object(if kind == "aiRoute" { "AIRoute" } else { kind }, namespace, spec);
        run(world, &["apply", "-f", "-"], &made.to_string())?;
        let status = json!({"status": status}).to_string();
        run(
            world,
            &["patch", kind, "one", "-n", namespace, "--subresource=status", "--type=merge", "-p", &status],
            "",
        )?;
        let shown = run(world, &["get", &kind.to_lowercase(), "-n", namespace], "")?;
        let lines: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], head, "{kind}");
        assert!(lines[1].starts_with(row), "{kind}: {shown}");
        run(world, &["get", kind, "one", "-n", namespace, "-o", "yaml"], "")?;
    }
    Ok(())
}

fn names(world: &World) -> Result<(), Failure> {
    world.block_on(async {
        let objects = world.namespace("crds-names").await?;
        objects.apply(&object("AgentgatewayBackend", "crds-names", "{static: {host: a.test, port: 80}}")).await?;
        objects.apply(&object("AIRoute", "crds-names", "{}")).await?;
        Ok::<_, Failure>(())
    })?;
    for (asked, found) in [
        ("agbe", "agentgatewaybackend.agentgateway.dev/one"),
        ("air", "airoute.agentgateway.dev/one"),
        ("agentgateway", "airoute.agentgateway.dev/one"),
        ("agpol,agpar,agmodel", ""),
    ] {
        let shown = run(world, &["get", asked, "-n", "crds-names", "-o", "name"], "")?;
        assert!(shown.contains(found), "{asked}: {shown}");
    }
    Ok(())
}

fn explained(world: &World) -> Result<(), Failure> {
    let field = "agentgatewaybackend.spec.ai.groups.providers.pathPrefix";
    // what the server publishes for this follows the definition after a moment
    let deadline = Instant::now() + Duration::from_secs(20);
    world.server()?;
    loop {
        let (done, said) = kubectl(world, &["explain", field], "")?;
        if done && said.contains("FIELD: pathPrefix <string>") {
            assert!(said.contains("in place of `/v1`"), "{said}");
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{said}");
    }
}

/// What kubectl prints when it succeeds.
fn run(world: &World, arguments: &[&str], input: &str) -> Result<String, Failure> {
    match kubectl(world, arguments, input)? {
        (true, said) => Ok(said),
        (false, said) => Err(format!("kubectl {}: {said}", arguments.join(" ")).into()),
    }
}

/// Whether kubectl succeeded, and all that it printed.
fn kubectl(world: &World, arguments: &[&str], input: &str) -> Result<(bool, String), Failure> {
    let mut command = Command::new(world.server()?.assets().kubectl());
    command.arg("--kubeconfig").arg(world.kubeconfig()?).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().expect("it is piped").write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
