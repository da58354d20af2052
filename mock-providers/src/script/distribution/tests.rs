use proptest::prelude::*;

use super::*;

const DRAWS: u64 = 20_000;

fn read<T: Quantity>(yaml: &str) -> Distribution<T> {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

fn refused(yaml: &str) -> String {
    serde_saphyr::from_str::<Distribution<Duration>>(yaml).expect_err(yaml).to_string()
}

/// Many draws in milliseconds, in ascending order.
fn drawn(yaml: &str) -> Vec<f64> {
    let distribution = read::<Duration>(yaml);
    let one = |request| distribution.draw(&Random::new(&[7, request]), "key").as_secs_f64() * 1e3;
    let mut all: Vec<f64> = (0..DRAWS).map(one).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn quantile(values: &[f64], share: f64) -> f64 {
    values[(share * (values.len() - 1) as f64) as usize]
}

#[track_caller]
fn close(value: f64, want: f64, tolerance: f64) {
    assert!((value - want).abs() <= tolerance * want, "{value} is not about {want}");
}

#[test]
fn a_bare_value_and_a_constant_are_the_same() {
    assert_eq!(read::<Duration>("250ms"), Duration::from_millis(250).into());
    assert_eq!(read::<Duration>("{constant: 250ms}"), Duration::from_millis(250).into());
    assert_eq!((read::<usize>("90"), read::<usize>("{constant: 90}")), (90.into(), 90.into()));
}

#[test]
fn uniform_draws_fill_their_bounds_evenly() {
    let values = drawn("{uniform: {lower: 10ms, upper: 30ms}}");
    close(mean(&values), 20.0, 0.01);
    close(quantile(&values, 0.25), 15.0, 0.02);
    assert!(values[0] >= 10.0 && values[values.len() - 1] <= 30.0);
}

#[test]
fn normal_draws_have_their_mean_and_deviation_and_are_truncated() {
    let values = drawn("{normal: {mean: 100ms, std_dev: 10ms}}");
    close(mean(&values), 100.0, 0.005);
    close(quantile(&values, 0.8413), 110.0, 0.01);
    let cut = drawn("{normal: {mean: 12ms, std_dev: 8ms, min: 2ms, max: 14ms}}");
    assert!(cut[0] >= 2.0 && cut[cut.len() - 1] <= 14.0);
    assert!(cut.iter().filter(|value| **value == 2.0).count() < 10, "cut off, not piled up");
}

#[test]
fn lognormal_draws_have_their_median_and_spread() {
    let values = drawn("{lognormal: {median: 220ms, sigma: 0.35}}");
    close(quantile(&values, 0.5), 220.0, 0.01);
    close(quantile(&values, 0.8413), 220.0 * 0.35f64.exp(), 0.02);
    let cut = drawn("{lognormal: {median: 220ms, sigma: 2, max: 300ms}}");
    assert!(cut[cut.len() - 1] <= 300.0);
}

#[test]
fn exponential_and_gamma_draws_have_their_mean_and_shape() {
    let values = drawn("{exponential: {mean: 40ms}}");
    close(mean(&values), 40.0, 0.03);
    close(quantile(&values, 0.5), 40.0 * 2f64.ln(), 0.03);
    for (shape, deviation) in [(4.0, 0.5), (1.0, 1.0), (0.5, 2f64.sqrt())] {
        let values = drawn(&format!("{{gamma: {{mean: 40ms, shape: {shape}}}}}"));
        let average = mean(&values);
        close(average, 40.0, 0.03);
        let variance = values.iter().map(|value| (value - average).powi(2)).sum::<f64>() / DRAWS as f64;
        close(variance.sqrt(), 40.0 * deviation, 0.05);
    }
}

#[test]
fn percentiles_are_met_and_the_largest_is_the_limit() {
    let values = drawn("{percentiles: {p50: 100ms, p90: 200ms, p99: 800ms, max: 3s}}");
    for (share, want) in [(0.5, 100.0), (0.7, 100.0 * 2f64.sqrt()), (0.9, 200.0), (0.99, 800.0)] {
        close(quantile(&values, share), want, 0.08);
    }
    assert!(values[values.len() - 1] <= 3000.0 && values[0] > 40.0);
}

#[test]
fn histogram_and_choice_follow_their_weights() {
    let values = drawn("{histogram: [{le: 10ms, weight: 1}, {le: 20ms, weight: 0}, {le: 40ms, weight: 3}]}");
    close(values.iter().filter(|value| **value <= 10.0).count() as f64, DRAWS as f64 / 4.0, 0.05);
    assert!(!values.iter().any(|value| (10.1..20.0).contains(value)));
    let values = drawn("{choice: [{value: 5ms, weight: 9}, {value: 1s}]}");
    close(values.iter().filter(|value| **value == 1000.0).count() as f64, DRAWS as f64 / 10.0, 0.1);
    assert!(values.iter().all(|value| [5.0, 1000.0].contains(value)));
}

#[test]
fn a_trace_gives_its_values_in_order_and_begins_again_when_it_loops() {
    let row = |yaml: &str| -> Vec<usize> {
        let trace = read::<usize>(yaml);
        (0..4).map(|nth| trace.draw_nth(&mut Random::new(&[1]), nth)).collect()
    };
    assert_eq!(row("{trace: {values: [3, 1], loop: true}}"), [3, 1, 3, 1]);
    assert_eq!(row("{trace: {values: [3, 1]}}"), [3, 1, 1, 1]);
    let alone = read::<usize>("{trace: {values: [3, 1]}}");
    let drawn: Vec<usize> = (0..32).map(|request| alone.draw(&Random::new(&[request]), "key")).collect();
    assert!(drawn.contains(&3) && drawn.contains(&1));
}

#[test]
fn a_draw_follows_from_the_request_and_the_key_alone() {
    let distribution = read::<Duration>("{exponential: {mean: 1s}}");
    let request = Random::new(&[3]);
    assert_eq!(distribution.draw(&request, "ttft"), distribution.draw(&request, "ttft"));
    assert_ne!(distribution.draw(&request, "ttft"), distribution.draw(&request, "head"));
    assert_ne!(distribution.draw(&request, "ttft"), distribution.draw(&Random::new(&[4]), "ttft"));
}

#[test]
fn the_file_of_a_trace_lies_beside_the_script() {
    let folder = std::env::temp_dir().join(format!("windtunnel-trace-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("gaps"), "# recorded\n12ms\n\n 3ms\n").unwrap();
    std::fs::write(folder.join("broken"), "12ms\n3\n").unwrap();
    std::fs::write(folder.join("empty"), "# nothing\n").unwrap();
    let resolved = |file: &str| {
        let mut trace = read::<Duration>(&format!("{{trace: {{file: {file}, loop: true}}}}"));
        trace.read_file(&folder).map(|()| trace)
    };
    let trace = resolved("gaps").unwrap();
    assert_eq!(trace, read("{trace: {values: [12ms, 3ms], loop: true}}"));
    assert!(
        resolved("broken")
            .unwrap_err()
            .to_string()
            .ends_with("broken:2: duration `3` needs a unit: 80us, 250ms, 1.5s, 2m")
    );
    assert!(resolved("empty").unwrap_err().to_string().contains("has no values"));
    assert!(resolved("absent").unwrap_err().to_string().contains("absent cannot be read"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    for (yaml, reason) in [
        ("5", "needs a unit"),
        ("{uniform: {lower: 2s, upper: 1s}}", "`lower` lies above `upper`"),
        ("{uniform: {lower: 1s}}", "upper"),
        ("{uniform: {lower: 1s, upper: 2s, mean: 1s}}", "mean"),
        ("{normal: {mean: 1s, std_dev: 1s, min: 2s}}", "between `min` and `max`"),
        ("{lognormal: {median: 0s, sigma: 1}}", "not positive"),
        ("{lognormal: {median: 1s, sigma: -1}}", "between 0 and 10"),
        ("{lognormal: {median: 1s, sigma: .nan}}", "between 0 and 10"),
        ("{exponential: {mean: 2s, max: 1s}}", "below `mean`"),
        ("{gamma: {mean: 1s, shape: 0}}", "between 0.01"),
        ("{percentiles: {p50: 2s, p90: 1s, p99: 3s, max: 4s}}", "do not ascend"),
        ("{histogram: [{le: 2s, weight: 1}, {le: 1s, weight: 1}]}", "do not ascend"),
        ("{histogram: []}", "no entry has any `weight`"),
        ("{choice: [{value: 1s, weight: -1}]}", "negative"),
        ("{trace: {values: []}}", "empty"),
        ("{trace: {values: [1s], file: x}}", "either `values` or a `file`"),
        ("{uniform: {lower: 1s, upper: 2s}, constant: 1s}", "exactly one form"),
        ("{}", "exactly one form"),
        ("{gaussian: {mean: 1s}}", "lognormal"),
    ] {
        let error = refused(yaml);
        assert!(error.contains(reason), "{yaml}: {error}");
    }
    assert!(serde_saphyr::from_str::<Distribution<usize>>("1.5").is_err());
    assert!(serde_saphyr::from_str::<Distribution<usize>>("-1").is_err());
    assert!(serde_saphyr::from_str::<Distribution<usize>>("99999999").is_err());
}

/// Any form with any parameters, also absurd ones, and its bounds in microseconds.
fn any_form() -> impl Strategy<Value = (String, u64, u64)> {
    const DAY: u64 = 86_400_000_000;
    let time = 1..DAY;
    let sigma = 0.0..10.0f64;
    prop_oneof![
        (time.clone(), time.clone()).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{{uniform: {{lower: {a}us, upper: {b}us}}}}"), a, b)
        }),
        proptest::array::uniform4(time.clone()).prop_map(|[a, b, c, deviation]| {
            let mut sorted = [a, b, c];
            sorted.sort_unstable();
            let [min, mean, max] = sorted;
            let keys = format!("mean: {mean}us, std_dev: {deviation}us, min: {min}us, max: {max}us");
            (format!("{{normal: {{{keys}}}}}"), min, max)
        }),
        (time.clone(), time.clone(), sigma).prop_map(|(a, b, sigma)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{{lognormal: {{median: {a}us, sigma: {sigma}, max: {b}us}}}}"), 0, b)
        }),
        time.clone().prop_map(|mean| (format!("{{exponential: {{mean: {mean}us}}}}"), 0, DAY)),
        (time.clone(), 0.01..100.0f64).prop_map(|(mean, shape)| (
            format!("{{gamma: {{mean: {mean}us, shape: {shape}}}}}"),
            0,
            DAY
        )),
        proptest::array::uniform4(time).prop_map(|mut p| {
            p.sort_unstable();
            let [a, b, c, d] = p;
            (format!("{{percentiles: {{p50: {a}us, p90: {b}us, p99: {c}us, max: {d}us}}}}"), 0, d)
        }),
    ]
}

proptest! {
    #[test]
    fn no_draw_leaves_its_bounds((yaml, min, max) in any_form(), seed: u64) {
        let distribution = read::<Duration>(&yaml);
        let (min, max) = (Duration::from_micros(min), Duration::from_micros(max));
        let mut row = Random::new(&[seed]);
        for nth in 0..64 {
            let value = distribution.draw_nth(&mut row, nth);
            prop_assert!(value >= min && value <= max, "{yaml} gave {value:?}");
        }
    }
}
