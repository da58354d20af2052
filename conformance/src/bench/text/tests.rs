//! A made-up run in each of its forms.

use super::*;
use crate::bench::compare::{self, Comparison};
use crate::bench::model::{Machine, SCHEMA, Saturation, Settings, Window};
use crate::bench::{figures, html};

/// Two lanes with seven windows each; the second one of the target is void. `slower`: how many times the floor's time.
fn run(slower: f64) -> Run {
    let lane = |name: &str, floor: bool, times: f64| {
        let window = |round: usize| Window {
            round,
            void: !floor && round == 1,
            due: 100,
            good: 100 - u64::from(!floor && round == 1) * 2,
            faults: if !floor && round == 1 { vec![("status 503".to_owned(), 2)] } else { Vec::new() },
            throughput: 50.0,
            p50: (100.0 + round as f64) * times,
            p99: (300.0 + round as f64) * times,
            cpu: Some(20.0 * times),
            event_lag_p50: Some(0.0),
            event_lag_p99: Some(if floor { 0.0 } else { 80.0 }),
            resident_mib: Some(10.5),
            ..Window::default()
        };
        let curve = vec![(0.0, 80.0 * times), (0.5, 100.0 * times), (0.99, 300.0 * times), (1.0, 900.0 * times)];
        let windows = (0..7).map(window).collect();
        Lane { name: name.to_owned(), floor, windows, figures: Vec::new(), latency: curve.clone(), event_lag: curve }
    };
    let case = |rate: f64| {
        let mut lanes = vec![lane("floor", true, 1.0), lane("mine <b>", false, slower)];
        figures::fill(&mut lanes);
        let name = format!("stream paced 10 ms, prompt 1 KiB, {rate}/s");
        Case { name, stream: true, prompt: 1024, rate: Some(rate), connections: None, lanes }
    };
    let (cpu, system) = ("A processor".to_owned(), "linux x86_64 6.1".to_owned());
    Run {
        schema: SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        commit: Some("0123456789ab+".to_owned()),
        started: 1_790_000_000,
        command: ["windtunnel", "bench"].map(str::to_owned).to_vec(),
        seed: 1,
        settings: Some(Settings {
            window_ms: 3000.0,
            warmup_ms: 1000.0,
            timeout_ms: 10_000.0,
            objective_ms: Some(20.0),
            rounds: 7,
            arrivals: "poisson".to_owned(),
            max_connections: 1024,
            events: Some(64),
            floor: Some("builtin".to_owned()),
            provider: Some("http://127.0.0.1:8090".to_owned()),
            model: Some("m-1".to_owned()),
            varies: Some(false),
        }),
        machine: Machine { cpu, cores: 2, memory_mib: 4096, system, load: 0.25 },
        ceilings: vec![Ceiling { what: "generator".to_owned(), stream: true, prompt: 1024, rate: 41_000.0 }],
        notes: vec!["a note".to_owned()],
        cases: vec![case(50.0), case(100.0)],
        saturation: vec![Saturation {
            lane: "mine <b>".to_owned(),
            stream: true,
            prompt: 1024,
            rate: Some(50.0),
            ended_by: Some("2 failures at 100/s".to_owned()),
        }],
    }
}

#[test]
fn a_run_is_told_with_what_each_lane_adds_and_what_was_void() {
    insta::assert_snapshot!(text(&run(1.5), Style { colour: false }));
}

#[test]
fn two_runs_are_told_figure_by_figure() {
    let mut other = run(1.8);
    other.machine.cores = 4;
    let settings = other.settings.as_mut().expect("it has some");
    (settings.rounds, settings.floor) = (5, Some("http://127.0.0.1:8081".to_owned()));
    (settings.provider, settings.model, settings.varies) = (None, Some("m-2".to_owned()), Some(true));
    insta::assert_snapshot!(compare::text(&Comparison::of(&run(1.5), &other)));
    assert!(Comparison::of(&run(1.5), &run(1.8)).regression(15.0).is_some());
    assert!(Comparison::of(&run(1.8), &run(1.5)).regression(0.0).is_none());
}

#[test]
fn runs_without_a_common_case_say_so() {
    assert!(compare::text(&Comparison::of(&Run::default(), &run(1.5))).contains("no case of one lane"));
}

#[test]
fn the_page_needs_nothing_else_and_shows_every_plot() {
    let page = html::text(&run(1.5));
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("@import") && !page.contains("url("));
    assert!(page.contains("mine &lt;b&gt;") && !page.contains("mine <b>"), "names are escaped");
    // By rate: p99 and what is added; of each case: latency and lag.
    assert_eq!(page.matches("<svg").count(), 2 + 2 * 2);
    assert!(!page.contains("NaN") && !page.contains("inf"), "a coordinate is no number");
    let (head, rest) = page.split_once("<style>").expect("a style");
    let (_, body) = rest.split_once("</style>").expect("its end");
    insta::assert_snapshot!([head, body].concat().replace("><", ">\n<"));
}

#[test]
fn a_run_that_is_written_and_read_is_the_same() {
    let run = run(1.5);
    let written = serde_json::to_string(&run).unwrap();
    let read: Run = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
}
