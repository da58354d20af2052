use std::time::Duration;

use mock_providers::script::Config;
use mock_providers::{MockProvider, Options};

use crate::support::{HI, chat};

/// Providers that share their state machines.
async fn providers(yaml: &str) -> Vec<MockProvider> {
    let config: Config = serde_saphyr::from_str(yaml).expect("the configuration is well-formed");
    let options = Options::of(&config);
    let mut running = Vec::new();
    for (name, provider) in config.providers {
        running.push(mock_providers::start(&name, provider, options.clone()).await.expect("a free port"));
    }
    running
}

const OUTAGE: &str = r"
states:
  outage: {initial: up, states: {up: {}, down: {faults: [{status: 503}]}}, schedule: [{at: 60m, to: down}, {at: 90m, to: up}]}
";

#[tokio::test]
async fn an_outage_comes_and_goes_at_all_providers_at_once() {
    let running = providers(&format!("{OUTAGE}\nproviders: {{a: {{}}, b: {{}}}}")).await;
    let states = running[0].states();
    for (advance, expected) in [(0, 200), (60, 503), (29, 503), (1, 200)] {
        states.advance(Duration::from_secs(60 * advance));
        assert_eq!((chat(&running[0], HI).await.status, chat(&running[1], HI).await.status), (expected, expected));
    }
    states.reset();
    states.advance(Duration::from_secs(60 * 60));
    assert_eq!((chat(&running[0], HI).await.status, states.get("outage").as_deref()), (503, Some("down")));
}

#[tokio::test]
async fn rules_look_at_states_and_change_them() {
    let yaml = r"
states: {login: {initial: out, states: {out: {}, in: {}}}}
providers:
  a:
    rules:
      - {name: first, when: {state: {login: out}}, to_state: {login: in}, respond: {status: 401}}
      - {name: second, when: {state: {login: in}}, respond: {text: welcome}}
";
    let running = providers(yaml).await;
    assert_eq!((chat(&running[0], HI).await.status, chat(&running[0], HI).await.status), (401, 200));
    running[0].states().set("login", "out").expect("a known state");
    assert_eq!(chat(&running[0], HI).await.status, 401);
}

#[tokio::test]
async fn a_fault_happens_during_its_time_and_in_its_state() {
    let yaml = format!(
        "{OUTAGE}\nproviders: {{a: {{faults: [{{during: {{from: 10m, to: 20m}}, status: 500}}, {{state: {{outage: up}}, after: 2, status: 429}}]}}}}"
    );
    let running = providers(&yaml).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(chat(&running[0], HI).await.status);
        running[0].states().advance(Duration::from_secs(7 * 60));
    }
    assert_eq!(statuses, [200, 200, 500, 429]);
}

#[tokio::test]
async fn the_faults_of_a_state_count_over_all_providers_until_the_reset() {
    let yaml =
        "{states: {m: {initial: x, states: {x: {faults: [{first: 2, status: 503}]}}}}, providers: {a: {}, b: {}}}";
    let running = providers(yaml).await;
    let statuses = async |expected: [u16; 3]| {
        let (first, second) = (chat(&running[0], HI).await.status, chat(&running[1], HI).await.status);
        assert_eq!([first, second, chat(&running[0], HI).await.status], expected);
    };
    statuses([503, 503, 200]).await;
    running[0].states().reset();
    statuses([503, 503, 200]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_equal_requests_in_flight_together_one_changes_the_state() {
    let yaml = r"
states: {login: {initial: out, states: {out: {}, in: {}}}}
providers:
  a:
    rules:
      - {when: {state: {login: out}}, to_state: {login: in}, respond: {status: 401}}
      - {respond: {text: welcome}}
";
    let running = std::sync::Arc::new(providers(yaml).await);
    let asked = (0..64).map(|_| {
        let running = running.clone();
        tokio::spawn(async move { chat(&running[0], HI).await.status })
    });
    let mut refused = 0;
    for asked in asked.collect::<Vec<_>>() {
        refused += usize::from(asked.await.expect("it is answered") == 401);
    }
    assert_eq!(refused, 1);
}
